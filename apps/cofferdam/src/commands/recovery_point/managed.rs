//! `cofferdam recovery-point list --vault-name` and `show`: by way of the vault.

use crate::{
    cluster::ClusterArgs,
    commands::instance::Which,
    exit::{Exit, Outcome},
    managed::{Kind, Session, SessionArgs},
    output::Format,
};
use clap::Args;
use management::{Request, versions};

#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(flatten)]
    which: Which,
    /// Its id
    #[arg(long, value_name = "ID")]
    recovery_point_id: String,
}

/// Bounds of a list.
#[derive(Debug, Default, Args)]
pub struct Bounds {
    /// Only those from this time on (with --vault-name)
    #[arg(long, value_name = "TIME")]
    pub start_time: Option<jiff::Timestamp>,
    /// Only those until this time (with --vault-name)
    #[arg(long, value_name = "TIME")]
    pub end_time: Option<jiff::Timestamp>,
}

pub async fn show(args: ShowArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    let id = args.which.id(&session).await?.child("recoveryPoints", &args.recovery_point_id)?;
    session.show(&Kind::POINT, id.as_str()).await
}

/// The recovery points of an instance.
pub async fn list(
    which: &Which,
    bounds: &Bounds,
    args: &SessionArgs,
    cluster: &ClusterArgs,
    format: Format,
) -> Outcome {
    let session = Session::open(args, cluster, format)?;
    let id = which.id(&session).await?;
    let request = Request::get(format!("{id}/recoveryPoints"), versions::DATA_PROTECTION)
        .ask("$filter", filter(bounds));
    let found = session.client.list(&request).await?;
    session.view.many(&Kind::POINT, &found)?;
    Ok(Exit::Done)
}

/// As the official clients write it; empty for no bounds.
fn filter(bounds: &Bounds) -> String {
    let written = |name: &str, time: Option<jiff::Timestamp>| {
        time.map(|time| format!("{name} eq '{}'", time.strftime("%Y-%m-%dT%H:%M:%S.0000000Z")))
    };
    let parts = [written("startDate", bounds.start_time), written("endDate", bounds.end_time)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_written_as_the_official_clients_write_them() {
        let (start, end) = ("2026-01-01T00:00:00Z".parse().ok(), "2026-01-02T00:00:00+01:00".parse().ok());

        assert_eq!(
            filter(&Bounds { start_time: start, end_time: end }),
            "startDate eq '2026-01-01T00:00:00.0000000Z' and endDate eq '2026-01-01T23:00:00.0000000Z'"
        );
        assert_eq!(filter(&Bounds::default()), "");
    }
}
