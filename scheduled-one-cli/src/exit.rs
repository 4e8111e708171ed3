//! The exit status of the command: each number means the same for all verbs.

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Negative = 1,
    Usage = 2,
    NotFound = 3,
    Conflict = 4,
    Refused = 5,
    TimedOut = 6,
    /// `EX_UNAVAILABLE` of sysexits.
    Away = 69,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

/// The last part of the help.
pub(crate) const HELP: &str = "\
Exit status:
   0  done
   1  a negative answer: a run did not end ok, the audit has gaps, the doctor found something severe, the question
      was answered with no
   2  wrong arguments, or a URL or setting that cannot be used
   3  no such namespace, job, request or run
   4  a conflict: another version, the run has ended, too many requests wait
   5  the store refuses: login, rights, a newer protocol
   6  the outcome did not come in time (--wait)
  69  the store is away";
