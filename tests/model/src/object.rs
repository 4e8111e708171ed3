//! What a unit is to those who claim its ticks, if one acts after the other:
//! the sequential object that real histories are held against; and whether one
//! can be put into such an order.

use std::collections::HashSet;

use scheduled_one_protocol::{FencingToken, TickMs};

/// Ticks are decided in order, by one claim each; one run at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UnitObject {
    decided: Option<TickMs>,
    /// The highest that is known to have been given out.
    token: FencingToken,
    running: bool,
    /// The claim of the current or last run.
    last: String,
    /// The claim of the run whose end was told last.
    done: String,
    /// The run was granted by an operation without an answer.
    token_unknown: bool,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Run that tick.
    Claim {
        /// The same with each repetition.
        nonce: String,
        /// The tick.
        tick: TickMs,
        /// The newest that the caller believes decided.
        after: Option<TickMs>,
    },
    /// The run of that claim has ended.
    Finish {
        /// The claim.
        nonce: String,
    },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Ret {
    /// Run it, under this token.
    Granted(FencingToken),
    /// The unit is busy.
    Skipped,
    /// Decided before.
    Decided,
    /// Decided, but not up to where the caller believes.
    Conflict,
    /// Recorded, or not.
    Finished(bool),
}

impl UnitObject {
    /// Acts. Which token it is depends on the clock: see `agrees`.
    fn invoke(&mut self, op: &Op) -> Ret {
        match op {
            Op::Claim { nonce, tick, after } => {
                if self.running && self.last == *nonce {
                    return Ret::Granted(FencingToken::default());
                }
                if Some(*tick) <= self.decided {
                    return Ret::Decided;
                }
                if self.decided.is_some() && *after != self.decided {
                    return Ret::Conflict;
                }
                self.decided = Some(*tick);
                if self.running {
                    return Ret::Skipped;
                }
                self.running = true;
                self.last.clone_from(nonce);
                self.token_unknown = true;
                Ret::Granted(FencingToken::default())
            }
            Op::Finish { nonce } => {
                // A repetition is known until another run has ended.
                let known = self.last == *nonce || self.done == *nonce;
                self.running &= self.last != *nonce;
                self.done.clone_from(nonce);
                Ret::Finished(known)
            }
        }
    }

    /// Acts, if that may be answered so. The token of a grant is higher than
    /// all before; of one that is answered again, the same.
    fn agrees(&mut self, op: &Op, ret: &Ret) -> bool {
        match (self.invoke(op), ret) {
            (Ret::Granted(_), Ret::Granted(token)) if self.token_unknown => {
                let higher = *token > self.token;
                (self.token, self.token_unknown) = (*token, false);
                higher
            }
            (Ret::Granted(_), Ret::Granted(token)) => *token == self.token,
            (expected, ret) => expected == *ret,
        }
    }
}

/// An operation of a history.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What was asked.
    pub op: Op,
    /// What was answered; without an answer it may have happened, or may at
    /// any later time.
    pub ret: Option<Ret>,
    /// When it was asked: any clock that counts up.
    pub asked: u64,
    /// When it was answered; `u64::MAX` if it was not.
    pub answered: u64,
}

/// Whether some order of the operations, in which each comes between its
/// question and its answer, gives these answers (Wing and Gong, 1993; what was
/// tried before is not tried again, as Lowe, 2017). At most 128 operations.
pub fn is_linearizable(history: &[Operation]) -> bool {
    assert!(history.len() <= 128, "{} operations", history.len());
    let bit = |n: usize| 1_u128 << n;
    let answered = (0..history.len()).filter(|n| history[*n].ret.is_some());
    let all = answered.fold(0, |all, n| all | bit(n));
    let mut tried = HashSet::new();
    let mut left = vec![(0_u128, UnitObject::default())];
    while let Some((done, object)) = left.pop() {
        if done & all == all {
            return true;
        }
        if !tried.insert((done, object.clone())) {
            continue;
        }
        let open = || (0..history.len()).filter(|n| done & bit(*n) == 0);
        let first_answer = open().map(|n| history[n].answered).min();
        for n in open() {
            let operation = &history[n];
            if first_answer.is_some_and(|first| operation.asked > first) {
                continue; // another was answered before this one was asked
            }
            let mut object = object.clone();
            let agrees = match &operation.ret {
                Some(ret) => object.agrees(&operation.op, ret),
                None => {
                    object.invoke(&operation.op);
                    true
                }
            };
            if agrees {
                left.push((done | bit(n), object));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(client: &str, tick: i64, ret: Option<Ret>, asked: u64, answered: u64) -> Operation {
        let op = Op::Claim {
            nonce: client.to_owned(),
            tick: TickMs(tick),
            after: None,
        };
        Operation {
            op,
            ret,
            asked,
            answered,
        }
    }

    #[test]
    fn one_of_two_is_granted() {
        let granted = |token| Some(Ret::Granted(FencingToken(token)));
        let first = claim("a", 1, granted(7), 0, 3);
        assert!(is_linearizable(&[
            first.clone(),
            claim("b", 1, Some(Ret::Decided), 1, 2)
        ]));
        assert!(!is_linearizable(&[
            first.clone(),
            claim("b", 1, granted(8), 1, 2)
        ]));
        // It was refused before anybody could have been granted.
        let refused = claim("b", 1, Some(Ret::Decided), 0, 1);
        let later = claim("a", 1, granted(7), 2, 3);
        assert!(!is_linearizable(&[refused.clone(), later.clone()]));
        let unknown = claim("c", 1, None, 0, u64::MAX);
        assert!(is_linearizable(&[refused, unknown]));
        // The same claim again has the same token.
        assert!(is_linearizable(&[first.clone(), later]));
        assert!(!is_linearizable(&[first, claim("a", 1, granted(8), 4, 5)]));
    }
}
