//! Reaches a protected cluster: through its connection, in the name of the binding that its owner gave this vault.

use super::{custom_resource, decide::Seen};
use crate::{
    api::{
        Loaded,
        clusters::{self, ClusterRecord},
        load,
    },
    app::App,
    cluster_link::{ClusterAnswer, ClusterRequest, LinkError},
    store::StoreError,
    work,
};
use arm::ResourceId;
use identity::required::BACKUP_OPERATOR;
use protection::Problem;

/// A cluster that lets this vault in.
#[derive(Debug, Clone)]
pub struct Reach {
    /// Its connection.
    pub connection: String,
    /// In whose name.
    pub binding: String,
}

/// The way into a cluster, or why there is none.
pub async fn reach(
    app: &App,
    vault: &ResourceId,
    cluster: &ResourceId,
) -> Result<Result<Reach, Problem>, StoreError> {
    let Some(record): Option<Loaded<ClusterRecord>> = load(app.store.as_ref(), cluster).await? else {
        let message = format!("The cluster '{}' does not exist any more.", cluster.name());
        return Ok(Err(Problem::error("ResourceNotFound", message).about(cluster.as_str())));
    };
    let Some(binding) = clusters::binding_for(app.store.as_ref(), cluster, vault).await? else {
        return Ok(Err(no_binding(vault, cluster)));
    };
    Ok(match record.document.connection {
        Some(connection) => Ok(Reach { connection, binding: binding.id.name().to_owned() }),
        None => {
            let message = format!("The cluster '{}' is not connected to the vault.", cluster.name());
            Err(Problem::error("UserErrorClusterNotConnected", message)
                .about(cluster.as_str())
                .fix("Connect it: cofferdam cluster connect."))
        }
    })
}

/// The owner of the cluster has not let this vault in.
pub fn no_binding(vault: &ResourceId, cluster: &ResourceId) -> Problem {
    let message = format!(
        "The vault '{}' lacks the role '{BACKUP_OPERATOR}' in '{cluster}' (R13): the cluster has no Trusted Access binding for it.",
        vault.name()
    );
    let problem = Problem::error("UserErrorTrustedAccessGatewayReturnedForbidden", message);
    let [ours, with_az] = identity::required::let_in(cluster, vault);
    problem.about(cluster.as_str()).fix(with_az).fix(ours)
}

impl Reach {
    /// Sends a request.
    pub async fn call(&self, app: &App, request: ClusterRequest) -> Result<ClusterAnswer, LinkError> {
        work::needs(&self.connection);
        app.clusters.call(&self.connection, &self.binding, request).await
    }

    /// Looks at one custom resource.
    pub async fn look(&self, app: &App, namespace: &str, plural: &str, name: &str) -> Seen {
        let path = custom_resource::path(namespace, plural, name);
        match self.call(app, ClusterRequest::get(path)).await {
            Ok(answer) if answer.status == 200 => Seen::There(custom_resource::status(&answer.json())),
            Ok(answer) if answer.status == 404 && is_object_missing(&answer, name) => Seen::Absent,
            Ok(answer) => refused(&answer),
            Err(error) => unreached(&error),
        }
    }

    /// Lists what a path names.
    pub async fn list(&self, app: &App, path: String) -> Result<serde_json::Value, Seen> {
        match self.call(app, ClusterRequest::get(path)).await {
            Ok(answer) if answer.status == 200 => Ok(answer.json()),
            Ok(answer) => Err(refused(&answer)),
            Err(error) => Err(unreached(&error)),
        }
    }

    /// Makes a custom resource; one that is there already is the one that was made before.
    pub async fn make(
        &self,
        app: &App,
        plural: &str,
        namespace: &str,
        object: &serde_json::Value,
    ) -> Result<(), Seen> {
        let path = custom_resource::collection(namespace, plural);
        match self.call(app, ClusterRequest::post(path, object)).await {
            Ok(answer) if matches!(answer.status, 200 | 201 | 202 | 409) => Ok(()),
            Ok(answer) => Err(refused(&answer)),
            Err(error) => Err(unreached(&error)),
        }
    }
}

/// A 404 of the object, not of its kind.
fn is_object_missing(answer: &ClusterAnswer, name: &str) -> bool {
    answer.json().pointer("/details/name").and_then(serde_json::Value::as_str) == Some(name)
}

/// What an API server said no to. Server trouble is a matter of time.
fn refused(answer: &ClusterAnswer) -> Seen {
    let said = answer.json();
    let message = said.get("message").and_then(serde_json::Value::as_str).unwrap_or("without a reason");
    let message: String = message.chars().take(1_000).collect();
    match answer.status {
        429 | 500.. => Seen::Unreachable(format!("the API server answers {}: {message}", answer.status)),
        status => Seen::Refused { status, message },
    }
}

/// What the way itself said no to.
fn unreached(error: &LinkError) -> Seen {
    match error {
        LinkError::Refused => Seen::Refused { status: 403, message: error.to_string() },
        other => Seen::Unreachable(other.to_string()),
    }
}
