//! Codes in the replies of the scripts: one table for each script, which gets them as constants from `prologue`.
//! `decode` matches on the variants. No code is written as a number.

/// Name of a constant in a script, and its value.
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

            /// The codes with their names in the script.
            pub(crate) const NAMED: &'static [Named] = &[$(($name, $table::$code as i64)),+];

            /// The code with this number, if there is one.
            pub(crate) fn from_number(number: i64) -> Option<Self> {
                let index = usize::try_from(number).ok()?;
                Self::ALL.get(index).copied()
            }
        }
    };
}

codes! {
    /// Verdicts of a claim. Values that follow a code are listed with it.
    ClaimCode {
        /// The claimed tick runs as attempt 1 in the unit itself. Value: end of the lease.
        Granted = "GRANTED",
        Skipped = "SKIPPED",
        MarkedMissed = "MARKED_MISSED",
        /// Value: owner.
        Decided = "DECIDED",
        Conflict = "CONFLICT",
        /// Value: milliseconds until the tick is due.
        Early = "EARLY",
        Late = "LATE",
        /// Value: end of the quarantine of the unit.
        Quarantined = "QUARANTINED",
        /// Values: slot, nonce, sequence number and lease of the run.
        Stale = "STALE",
        /// Any run. Values: tick, fencing token, end of the lease, attempt, slot.
        GrantedRun = "GRANTED_RUN",
        Queued = "QUEUED",
        Busy = "BUSY",
        QueueEmpty = "QUEUE_EMPTY",
        /// Value: the schedule that decides.
        OtherSchedule = "OTHER_SCHEDULE",
        Paused = "PAUSED",
        Moved = "MOVED",
        /// Requests may wait or run in the lane.
        Lane = "LANE",
        /// Values: 0, nonce, sequence number and lease of the run in the lane.
        StaleLane = "STALE_LANE",
    }
}

codes! {
    /// What became of the change of a directive. Value: its version, or 0.
    ChangeCode {
        Nothing = "NOTHING",
        To = "TO",
        Conflict = "CONFLICT",
    }
}

codes! {
    /// Replies to a renewal. First value, except for `Lost` and `Late`: end of the lease.
    RenewCode {
        Until = "UNTIL",
        Readopted = "READOPTED",
        Lost = "LOST",
        Late = "LATE",
        Stop = "STOP",
        /// Another value: by whom and why.
        Cancelled = "CANCELLED",
    }
}

codes! {
    /// Replies to the end of a run.
    FinishCode {
        Recorded = "RECORDED",
        Refused = "REFUSED",
    }
}

codes! {
    /// Replies to a write-off.
    WriteOffCode {
        Lost = "LOST",
        Changed = "CHANGED",
        Quarantined = "QUARANTINED",
        TakenOver = "TAKEN_OVER",
    }
}

codes! {
    /// Status of a unit.
    InspectCode {
        Idle = "IDLE",
        /// Values: tick and fencing token of the run.
        Running = "RUNNING",
    }
}

codes! {
    /// Replies to a request for a run.
    AskCode {
        /// Value: tick in the lane.
        Queued = "QUEUED",
        /// Value: tick in the lane.
        Known = "KNOWN",
        Full = "FULL",
    }
}

codes! {
    /// Replies to a cancel.
    CancelCode {
        Cancelling = "CANCELLING",
        Gone = "GONE",
    }
}

codes! {
    /// Replies to a checkpoint.
    CheckpointCode {
        None = "NONE",
        /// Values: fencing token of the run that left it, and the text.
        Found = "FOUND",
        Written = "WRITTEN",
        Superseded = "SUPERSEDED",
    }
}

codes! {
    /// What became of a job that was to be forgotten.
    ForgetCode {
        Removed = "REMOVED",
        /// Value: number of units.
        TakenBack = "TAKEN_BACK",
        Unknown = "UNKNOWN",
        /// Values: number of nodes, and the label of each.
        Lives = "LIVES",
        Described = "DESCRIBED",
        /// Value: end of the quarantine.
        Quarantined = "QUARANTINED",
        /// Value: the unit.
        Running = "RUNNING",
    }
}

codes! {
    /// Status of a run that a heartbeat named.
    OverdueCode {
        Gone = "GONE",
        /// Values: nonce, sequence number and lease of the run.
        Overdue = "OVERDUE",
    }
}

impl ClaimCode {
    /// Added to a code if a tick waits in the unit and can start. Greater than any code.
    pub(crate) const READY: i64 = 100;
    /// All constants of the script.
    pub(crate) const NAMES: &'static [&'static [Named]] = &[Self::NAMED, &[("READY", Self::READY)]];
}

impl FinishCode {
    /// Added to a code if a tick waits in the unit and can start. Greater than any code.
    pub(crate) const READY: i64 = 2;
    /// All constants of the script.
    pub(crate) const NAMES: &'static [&'static [Named]] = &[Self::NAMED, &[("READY", Self::READY)]];
}
