//! All mistakes of one attribute, reported together.

use syn::Error;

/// The mistakes found so far, combined into one error.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// The value of a result; an error is added to the mistakes.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of the last step, if there was no mistake at all.
    pub(crate) fn into_result<T>(self, value: Option<T>) -> Result<T, Error> {
        match (self.0, value) {
            (Some(error), _) => Err(error),
            (None, Some(value)) => Ok(value),
            // A step without a value has pushed its error.
            (None, None) => Err(Error::new(
                proc_macro2::Span::call_site(),
                "internal error of #[scheduled_one]: please report this attribute",
            )),
        }
    }
}
