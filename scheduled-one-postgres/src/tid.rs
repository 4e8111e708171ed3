//! Tuple identifiers: what a statement finds a row by without looking into an index.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

/// The `ctid` of a row: its page, and its number there. It is that of a version of the row, so it holds as long as the
/// row is locked, and no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tid {
    page: u32,
    number: u16,
}

impl<'a> FromSql<'a> for Tid {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let &[a, b, c, d, e, f] = raw else {
            return Err(format!("a ctid of {} bytes", raw.len()).into());
        };
        Ok(Tid {
            page: u32::from_be_bytes([a, b, c, d]),
            number: u16::from_be_bytes([e, f]),
        })
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TID
    }
}

impl ToSql for Tid {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u32(self.page);
        out.put_u16(self.number);
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TID
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tid_is_sent_as_it_came() {
        let raw = [0, 1, 2, 3, 4, 5];
        let tid = Tid::from_sql(&Type::TID, &raw).unwrap();
        let mut sent = BytesMut::new();
        tid.to_sql(&Type::TID, &mut sent).unwrap();
        assert_eq!(sent[..], raw);
        assert!(Tid::from_sql(&Type::TID, &raw[1..]).is_err());
    }
}
