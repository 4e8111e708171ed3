//! Who may do what through a handle. An [`Authorization`] is the only way to a change, and the rights are checked where
//! it is made: what forgets to ask does not compile.

use std::collections::BTreeSet;
use std::sync::Arc;

use scheduled_one_protocol::message::{
    Ask, Asked, Cancel, Cancelled, ControlReply, ControlRequest, ForgetRequest, Forgotten, Reply,
};
use scheduled_one_protocol::{ALL_JOBS, Answer, CatalogEntry, JobDescriptor, Store};

use crate::control::Control;
use crate::error::Error;
use crate::reader::Reader;
use crate::rights::{Action, Rights};

/// That whoever has the handle may make a change, in the store of the bucket that it concerns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authorization<'a> {
    control: &'a Control,
    store: &'a dyn Store,
}

impl<'a> Authorization<'a> {
    pub(crate) fn reader(self) -> Reader<'a> {
        Reader::of(self.store)
    }

    pub(crate) fn control(self, request: &'a ControlRequest) -> Answer<'a, Reply<ControlReply>> {
        self.store.control(&self.control.caller, request)
    }

    pub(crate) fn ask(self, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        self.store.ask(&self.control.caller, asks)
    }

    pub(crate) fn cancel(self, cancels: &'a [Cancel]) -> Answer<'a, Reply<Vec<Cancelled>>> {
        self.store.cancel(&self.control.caller, cancels)
    }

    pub(crate) fn forget(self, request: &'a ForgetRequest) -> Answer<'a, Reply<Forgotten>> {
        self.store.forget(&self.control.caller, request)
    }
}

/// What may be seen, by name.
pub(crate) struct Visible {
    /// All of them, if it is not said which.
    jobs: Option<BTreeSet<String>>,
}

impl Visible {
    pub(crate) fn has(&self, job: &str) -> bool {
        self.jobs.as_ref().is_none_or(|jobs| jobs.contains(job))
    }
}

impl Control {
    /// The same handle, for somebody who may do less: what the rights do not allow is [`Error::Forbidden`], and lists
    /// have only the jobs that may be seen. A handle that is restricted already keeps its rights as well: both have to
    /// allow.
    ///
    /// Groups are those of the catalog, asked for with each call that depends on one;
    /// [`Rights::of_groups`] saves that.
    ///
    /// ```
    /// # use scheduled_one_control::{Action, Control, Error, Rights};
    /// # async fn demo(control: Control) -> Result<(), Error> {
    /// let ann = control.with_rights(Rights::read_only().allow_for_job("nightly", Action::Pause));
    /// ann.pause("nightly").by("ann").await?;
    /// assert!(matches!(ann.run("nightly").await, Err(Error::Forbidden { action: Action::Run, .. })));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_rights(&self, rights: Rights) -> Self {
        let mut restricted = self.clone();
        restricted.rights.push(Arc::new(rights));
        restricted
    }

    /// The authorization of a change of a job, or of all jobs ([`ALL_JOBS`]).
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::Store`] if the group of the job matters, and cannot be read.
    pub(crate) async fn authorize(
        &self,
        action: Action,
        job: &str,
    ) -> Result<Authorization<'_>, Error> {
        self.check_right(action, job).await?;
        Ok(Authorization {
            control: self,
            store: self.store_of(job),
        })
    }

    /// The authorization of a change of all jobs, in each bucket.
    pub(crate) async fn authorize_all(
        &self,
        action: Action,
    ) -> Result<Vec<Authorization<'_>>, Error> {
        self.check_right(action, ALL_JOBS).await?;
        let authorized = |store| Authorization {
            control: self,
            store,
        };
        Ok(self.all_stores().map(authorized).collect())
    }

    /// # Errors
    ///
    /// As those of [`authorize`](Self::authorize).
    pub(crate) async fn check_right(&self, action: Action, job: &str) -> Result<(), Error> {
        let mut group = None;
        for rights in &self.rights {
            // What concerns all jobs is no job of that name.
            let is_allowed = match job {
                ALL_JOBS => rights.allows_everywhere(action),
                job => rights.allows(action, job, None),
            };
            if is_allowed {
                continue;
            }
            if job != ALL_JOBS && rights.name_groups() {
                if group.is_none() {
                    group = Some(self.group_of(job).await?);
                }
                let group = group.as_ref().and_then(Option::as_deref);
                if rights.allows(action, job, group) {
                    continue;
                }
            }
            return Err(Error::Forbidden {
                action,
                job: job.to_owned(),
            });
        }
        Ok(())
    }

    /// # Errors
    ///
    /// Nothing may be seen through this handle.
    pub(crate) fn check_sees_something(&self) -> Result<(), Error> {
        let mut rights = self.rights.iter();
        match rights.all(|rights| rights.allows_somewhere(Action::View)) {
            true => Ok(()),
            false => Err(Error::Forbidden {
                action: Action::View,
                job: ALL_JOBS.to_owned(),
            }),
        }
    }

    /// Whether a job of this group may be seen.
    pub(crate) fn sees(&self, job: &str, group: Option<&str>) -> bool {
        let mut rights = self.rights.iter();
        rights.all(|rights| rights.allows(Action::View, job, group))
    }

    /// Whether all jobs may be seen, those of the future included.
    pub(crate) fn sees_all(&self) -> bool {
        let mut rights = self.rights.iter();
        rights.all(|rights| rights.allows_everywhere(Action::View))
    }

    /// The jobs that may be seen.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub(crate) async fn visible(&self) -> Result<Visible, Error> {
        let jobs = match self.sees_all() {
            true => None,
            false => Some(self.jobs().await?.into_iter().map(|job| job.job).collect()),
        };
        Ok(Visible { jobs })
    }

    /// The group of a job, as the catalog has it.
    async fn group_of(&self, job: &str) -> Result<Option<String>, Error> {
        let catalog = self.read_catalog(self.reader(job)).await?.body.catalog;
        let catalog = catalog.unwrap_or_default();
        Ok(catalog.get(job).and_then(group_in))
    }
}

pub(crate) fn group_in(entry: &CatalogEntry) -> Option<String> {
    let descriptor = JobDescriptor::from_text(&entry.text);
    descriptor.get("group").map(str::to_owned)
}

#[cfg(test)]
mod tests;
