//! Decodes directives.

use deadpool_redis::redis::Value;
use scheduled_one_protocol::message::{Changed, ControlReply, Reply};
use scheduled_one_protocol::{Catalog, CatalogEntry, Directive, StoreError};

use super::Reader;
use crate::codes::ChangeCode;

/// `key` is that of the directives.
pub(crate) fn control(
    key: &str,
    wants_catalog: bool,
    reply: Value,
) -> Result<Reply<ControlReply>, StoreError> {
    let mut reader = Reader::new("control", reply)?;
    let head = reader.head()?;
    let (code, version) = (reader.code(ChangeCode::from_number)?, reader.count()?);
    let mut catalog = Catalog::new();
    for _ in 0..reader.count()? {
        let (job, text) = (reader.shown()?, reader.shown()?);
        // What somebody edited counts as missing: the next node with the job writes it again.
        catalog.extend(CatalogEntry::parse(&text).map(|entry| (job, entry)));
    }
    let mut directives = Vec::new();
    while !reader.values.as_slice().is_empty() {
        let (subject, text) = (reader.shown()?, reader.shown()?);
        let directive = Directive::parse(&text).ok_or_else(|| edited(key, &subject, &text))?;
        directives.push((subject, directive));
    }
    let body = ControlReply {
        changed: match code {
            ChangeCode::Nothing => Changed::Nothing,
            ChangeCode::To => Changed::To(version),
            ChangeCode::Conflict => Changed::Conflict,
        },
        version: head.control_version,
        directives: directives.into_iter().collect(),
        catalog: wants_catalog.then_some(catalog),
    };
    Ok(Reply { head, body })
}

fn edited(key: &str, subject: &str, text: &str) -> StoreError {
    let shown: String = text.chars().take(40).collect();
    StoreError::Refused(format!(
        "the key {key} has {shown:?} for {subject}: somebody edited it; delete the field (HDEL {key} '{subject}'), and \
         the nodes write what they know of it"
    ))
}
