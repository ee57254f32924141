//! Waits until a restored container is ready for its hook.

use super::{Command, HookFailure, observe_pod};
use kube::Client;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_secs(1);

/// Waits until the command's container is ready, at most this long.
pub async fn wait_for_container(
    client: &Client,
    command: &Command,
    at_most: Duration,
) -> Result<(), HookFailure> {
    let end = Instant::now() + at_most;
    loop {
        let last = match observe_pod(client, &command.namespace, &command.pod).await {
            Ok(Some(pod))
                if pod.uid == command.pod_uid && pod.ready_containers.contains(&command.container) =>
            {
                return Ok(());
            }
            Ok(Some(pod)) if pod.uid != command.pod_uid => return Err(HookFailure::PodGone),
            Ok(Some(pod)) if !pod.containers.contains(&command.container) => {
                return Err(HookFailure::NoContainer { containers: pod.containers });
            }
            Ok(Some(pod)) if pod.running => "the pod runs, the container is not ready".to_owned(),
            Ok(Some(_)) => "the pod does not run".to_owned(),
            Ok(None) => return Err(HookFailure::PodGone),
            Err(error) => error.to_string(),
        };
        if Instant::now() + POLL > end {
            return Err(HookFailure::NeverReady { waited: at_most, last });
        }
        sleep(POLL).await;
    }
}
