//! Codes in the replies of the scripts: one table for each script, which has them
//! as constants (see `prologue`). `decode` matches on the variants; no number
//! stands in either.

/// A code by its name in the script.
pub(crate) type Named = (&'static str, i64);

macro_rules! codes {
    ($(#[$table_doc:meta])* $table:ident { $($(#[$doc:meta])* $code:ident = $name:literal,)+ }) => {
        $(#[$table_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $table {
            $($(#[$doc])* $code,)+
        }

        impl $table {
            const ALL: &'static [$table] = &[$($table::$code),+];

            /// The names that the script has for the codes.
            pub(crate) const NAMED: &'static [Named] = &[$(($name, $table::$code as i64)),+];

            /// The code of that number, if there is one.
            pub(crate) fn of(number: i64) -> Option<Self> {
                let index = usize::try_from(number).ok()?;
                Self::ALL.get(index).copied()
            }
        }
    };
}

codes! {
    /// Verdicts on a claim.
    ClaimCode {
        /// The claimed tick, attempt 1, in the unit itself: the end of the lease follows.
        Granted = "GRANTED",
        Skipped = "SKIPPED",
        MarkedMissed = "MARKED_MISSED",
        /// The owner follows.
        Decided = "DECIDED",
        Conflict = "CONFLICT",
        /// The milliseconds until the tick is due follow.
        Early = "EARLY",
        Late = "LATE",
        Quarantined = "QUARANTINED",
        /// Slot, nonce, sequence number and lease of the run follow.
        Stale = "STALE",
        /// Any run: tick, token, end of the lease, attempt and slot follow.
        GrantedRun = "GRANTED_RUN",
        Queued = "QUEUED",
        Busy = "BUSY",
        QueueEmpty = "QUEUE_EMPTY",
    }
}

codes! {
    /// Answers to a renewal; the end of the lease follows where there is one.
    RenewCode {
        Until = "UNTIL",
        Readopted = "READOPTED",
        Lost = "LOST",
        Late = "LATE",
        Stop = "STOP",
    }
}

codes! {
    /// Answers to the end of a run.
    FinishCode {
        Recorded = "RECORDED",
        Refused = "REFUSED",
    }
}

codes! {
    /// Answers to a write-off.
    WriteOffCode {
        Lost = "LOST",
        Changed = "CHANGED",
        Quarantined = "QUARANTINED",
        TakenOver = "TAKEN_OVER",
    }
}

codes! {
    /// Whether a unit has a run.
    InspectCode {
        Idle = "IDLE",
        /// Its tick follows.
        Running = "RUNNING",
    }
}

codes! {
    /// Whether a run is overdue.
    OverdueCode {
        Gone = "GONE",
        /// Nonce, sequence number and lease of the run follow.
        Overdue = "OVERDUE",
    }
}

impl ClaimCode {
    /// Added to a code if something waits in the unit and can start; more than
    /// any code.
    pub(crate) const READY: i64 = 100;
    /// All names that the script has.
    pub(crate) const NAMES: &'static [&'static [Named]] = &[Self::NAMED, &[("READY", Self::READY)]];
}

impl FinishCode {
    /// Added to a code if something waits in the unit and can start; more than
    /// any code.
    pub(crate) const READY: i64 = 2;
    /// All names that the script has.
    pub(crate) const NAMES: &'static [&'static [Named]] = &[Self::NAMED, &[("READY", Self::READY)]];
}
