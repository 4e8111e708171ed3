//! What errors mean for whoever asked.

/// What an error means for whoever asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was given cannot be used: an argument, or the URL.
    Usage,
    /// There is no such namespace, job or request.
    NotFound,
    /// It is otherwise than the caller assumes, or too much is asked for.
    Conflict,
    /// The store refuses: a login, a right, a setting, a newer protocol.
    Refused,
    /// It has not ended yet.
    NotFinished,
    /// The store does not reply, or takes no requests now.
    Away,
}
