//! Which resources the API server has, and in which version each is captured.

mod choose;
mod documents;
mod kind;
mod never;

pub(crate) use kind::Kind;

use crate::CaptureError;
use crate::api::{Api, Failure};
use documents::{Group, GroupList, Legacy, Root, Version};
use protection::{Problem, code};

/// The aggregated form in both of its versions, then whatever older servers have.
const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
const PLAIN: &str = "application/json";

/// What can be captured.
#[derive(Debug, Default)]
pub(crate) struct Discovered {
    /// One entry per resource, in the order of `<resource>[.<group>]`.
    pub kinds: Vec<Kind>,
    /// Groups that could not be discovered.
    pub problems: Vec<Problem>,
}

/// Asks the API server what it serves.
pub(crate) async fn discover(api: &Api) -> Result<Discovered, CaptureError> {
    let mut problems = Vec::new();
    let mut groups = Vec::new();
    for root in ["/api", "/apis"] {
        let document: Root = api
            .document(root, ACCEPT)
            .await
            .map_err(|failure| fatal("discover the API server's resources", failure))?;
        match document {
            Root::Aggregated(list) => groups.extend(list.groups()),
            Root::Legacy(legacy) => groups.extend(older(api, root, legacy, &mut problems).await?),
        }
    }
    problems.extend(groups.iter().flat_map(silent_versions));
    Ok(Discovered { kinds: choose::choose(&groups), problems })
}

/// The form of servers that do not aggregate: one more request per version of every group.
async fn older(
    api: &Api,
    root: &str,
    legacy: Legacy,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Group>, CaptureError> {
    let mut groups = Vec::new();
    for GroupList { name, versions } in legacy.groups() {
        let mut served = Vec::new();
        for version in versions {
            let path = if name.is_empty() {
                format!("{root}/{version}")
            } else {
                format!("{root}/{name}/{version}")
            };
            match api.document::<documents::Resources>(&path, PLAIN).await {
                Ok(resources) => {
                    served.push(Version { name: version, resources: resources.resources(), stale: false })
                }
                Err(failure @ (Failure::Cancelled | Failure::Unreachable(_))) => {
                    return Err(fatal("discover the API server's resources", failure));
                }
                Err(failure) if kind::is_built_in(&name) => {
                    return Err(fatal("discover the API server's resources", failure));
                }
                Err(failure) => problems.push(silent(&name, &version, &failure.to_string())),
            }
        }
        groups.push(Group { name, versions: served });
    }
    Ok(groups)
}

/// Versions that the aggregated form lists without saying what they serve: nobody answers for them.
fn silent_versions(group: &Group) -> Vec<Problem> {
    let silent = |version: &&Version| version.stale && version.resources.is_empty();
    group
        .versions
        .iter()
        .filter(silent)
        .map(|version| self::silent(&group.name, &version.name, "the API server cannot reach what serves it"))
        .collect()
}

fn silent(group: &str, version: &str, reason: &str) -> Problem {
    let message = format!("The resources of {group}/{version} are not in the recovery point: {reason}.");
    Problem::warning(code::RESOURCE_NOT_LISTED, message)
        .about(format!("apiservices.apiregistration.k8s.io/{version}.{group}"))
        .fix(format!("kubectl get apiservice {version}.{group}: bring its Service back, or delete it when nothing needs it"))
}

/// A failure without which nothing can be captured.
pub(crate) fn fatal(tried: &str, failure: Failure) -> CaptureError {
    let (temporary, remedy) = match &failure {
        Failure::Cancelled => return CaptureError::Cancelled,
        Failure::Unreachable(_) | Failure::Cut(_) => {
            (true, "check that the API server is reachable and try again")
        }
        Failure::Nonsense(_) => (false, "check what stands between this pod and the API server"),
        Failure::Status(status) => match status.code.as_u16() {
            401 | 403 => {
                (false, "give the extension's ServiceAccount the right to read, see its ClusterRole")
            }
            429 | 500.. => (true, "check the health of the API server and try again"),
            _ => (false, "check the API server's log"),
        },
    };
    CaptureError::Api { tried: tried.to_owned(), cause: failure.to_string(), temporary, remedy }
}

#[cfg(test)]
mod tests;
