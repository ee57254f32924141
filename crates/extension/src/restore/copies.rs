//! Fills claims from the files that a recovery point holds: what a plan can tell, and the movers that do it.

use super::volumes::request;
use crate::{context::Context, locations::OpenLocation, movers};
use engine::{Reader, TreeId};
use parking_lot::Mutex;
use protection::{Problem, code, point::VolumeProtection};
use replay::{ClaimToRestore, Reach};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use volumes::{
    files::{CopyOptions, restore_all},
    restore::{FillRequest, Target, check_copy},
};

/// Where copied files come from.
pub struct Copies {
    /// Client, image, namespaces.
    pub context: Arc<Context>,
    /// The location that is restored from.
    pub location: Option<OpenLocation>,
    /// The root of the recovery point.
    pub root: Option<TreeId>,
    /// What was not restored whole, beside the answers.
    pub problems: Mutex<Vec<Problem>>,
}

impl Copies {
    /// Whether the files of these claims are there, and can be brought back here. Nothing is written.
    pub async fn check(&self, claims: Vec<&ClaimToRestore>, target: &Target) -> Vec<Reach> {
        if claims.is_empty() {
            return Vec::new();
        }
        let opened = self.open().await;
        let mut answers = Vec::new();
        for claim in claims {
            answers.push(match &opened {
                Err(problem) => Reach::NotReachable(about(claim, problem.clone())),
                Ok((reader, root)) => self.check_one(claim, target, reader, *root).await,
            });
        }
        answers
    }

    async fn check_one(
        &self,
        claim: &ClaimToRestore,
        target: &Target,
        reader: &Reader,
        root: TreeId,
    ) -> Reach {
        if let Err(problem) = check_copy(&request(claim), target) {
            return Reach::NotReachable(problem);
        }
        let VolumeProtection::Files { path, .. } = &claim.record.protection else {
            return Reach::Unknown { reason: "the recovery point holds no files of it".to_owned() };
        };
        match reader.lookup(root, path).await {
            Ok(Some(_)) => Reach::Reachable,
            Ok(None) => Reach::NotReachable(about(
                claim,
                cannot(
                    code::REPOSITORY_DAMAGED,
                    format!("The recovery point names {path} and does not hold it."),
                ),
            )),
            Err(error) if error.is_temporary() => Reach::Unknown { reason: error.to_string() },
            Err(error) => Reach::NotReachable(about(claim, crate::locations::engine_problem(&error))),
        }
    }

    /// Fills the claims, all at the same time; answers in their order.
    pub async fn restore(
        &self,
        claims: Vec<&ClaimToRestore>,
        target: &Target,
        cancel: &CancellationToken,
    ) -> Vec<Result<String, Problem>> {
        if claims.is_empty() {
            return Vec::new();
        }
        let mover = match (&self.location, self.root) {
            (Some(location), Some(root)) => {
                let of_point = ["--tree".to_owned(), root.to_string()];
                movers::mover(&self.context, location, "fill", &of_point).await
            }
            _ => Err(cannot(code::DATA_NOT_RESTORED, "No recovery point is open.".to_owned())),
        };
        let mover = match mover {
            Ok(mover) => mover,
            Err(problem) => {
                let problem = Problem::error(code::DATA_NOT_RESTORED, problem.message.clone());
                return claims.iter().map(|claim| Err(about(claim, problem.clone()))).collect();
            }
        };
        let mut answers: Vec<Option<Result<String, Problem>>> = Vec::new();
        let mut due: Vec<FillRequest> = Vec::new();
        for claim in claims {
            let request = request(claim);
            match check_copy(&request, target) {
                Ok(_) => {
                    due.push(request);
                    answers.push(None);
                }
                Err(problem) => answers.push(Some(Err(problem))),
            }
        }
        let options = CopyOptions { cancel: cancel.clone(), ..movers::options(None) };
        let restored = restore_all(&self.context.client, &mover, &due, &options).await;
        let mut restored = restored.into_iter().map(|one| {
            one.map(|restored| {
                self.problems.lock().extend(restored.problems);
                restored.filled.uid().to_owned()
            })
        });
        let unanswered = || Err(cannot(code::DATA_NOT_RESTORED, "Its mover gave no answer.".to_owned()));
        answers
            .into_iter()
            .map(|known| known.or_else(|| restored.next()).unwrap_or_else(unanswered))
            .collect()
    }

    async fn open(&self) -> Result<(Reader, TreeId), Problem> {
        let (Some(location), Some(root)) = (&self.location, self.root) else {
            return Err(cannot(code::DATA_NOT_RESTORED, "No recovery point is open.".to_owned()));
        };
        // What would keep movers from starting keeps the plan from promising them.
        movers::mover(&self.context, location, "fill", &[])
            .await
            .map_err(|problem| Problem::error(code::DATA_NOT_RESTORED, problem.message))?;
        let reader =
            Reader::open(&location.repo).await.map_err(|error| crate::locations::engine_problem(&error))?;
        Ok((reader, root))
    }
}

fn about(claim: &ClaimToRestore, problem: Problem) -> Problem {
    problem.about(request(claim).target())
}

fn cannot(code: &str, why: String) -> Problem {
    Problem::error(code, why).fix("Check the recovery point with `cofferdam repository check`.")
}
