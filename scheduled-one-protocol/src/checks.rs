//! What no store takes, whatever it has stored.

use crate::message::{Ask, ControlRequest};
use crate::store::StoreError;

/// Refuses requests with values that no store takes.
///
/// # Errors
///
/// [`StoreError::Refused`] names the first of them.
pub fn check_asks(asks: &[Ask]) -> Result<(), StoreError> {
    for ask in asks {
        if !ask.unit.is_whole() {
            let unit = &ask.unit;
            let refused = format!("a request for {unit}: requests are for a job or a shard of one");
            return Err(StoreError::Refused(refused));
        }
        ask.request.check().map_err(StoreError::Refused)?;
    }
    Ok(())
}

/// Refuses directives that no store would read back: they would stop all requests that need directives.
///
/// # Errors
///
/// [`StoreError::Refused`] names the first of them.
pub fn check_control(request: &ControlRequest) -> Result<(), StoreError> {
    let seen = request.seen.iter().map(|(subject, seen)| (subject, seen));
    let change = request.change.iter();
    let change = change.map(|change| (&change.subject, &change.directive));
    for (subject, directive) in seen.chain(change) {
        if !directive.is_storable() {
            let refused = format!(
                "a directive for {subject}, `{directive}`: its version and its instants (in ms) have to be from 0 to \
                 2^53; leave out the end of the pause if it has none"
            );
            return Err(StoreError::Refused(refused));
        }
    }
    Ok(())
}
