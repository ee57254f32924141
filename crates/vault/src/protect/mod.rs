//! Protection at work: jobs in clusters, schedules, retention, validation.

mod allowed;
pub mod checks;
pub mod custom_resource;
pub mod decide;
pub mod expire;
mod finish;
pub mod forget;
pub mod gone;
pub mod hold;
pub mod job;
pub mod late;
pub mod old_jobs;
pub mod prerequisites;
pub mod purge;
pub mod quotas;
pub mod reach;
pub mod rekey;
pub mod schedule;
pub mod start;
pub mod sync;
pub mod validate;
pub mod vault;

#[cfg(test)]
pub(crate) use decide::tests::job as job_of_a_test;
