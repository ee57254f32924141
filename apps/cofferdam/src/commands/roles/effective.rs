//! Waits until what was granted counts: the vault itself is asked, for nobody else knows when it sees a new role.

use super::{row::Row, subject::Subject};
use crate::{managed::Session, note};
use identity::required::Need;
use management::{Error, ServiceError};
use std::time::Duration;

/// New roles are known everywhere after minutes; the vault is asked that long.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(5);

/// What the vault said in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effective {
    /// It misses none of the roles.
    Yes,
    /// It misses none of them, and says that something else is wrong.
    Otherwise(String),
    /// It still misses these.
    NotYet(Vec<&'static str>),
    /// It could not be asked: why.
    NotAsked(String),
}

/// Asks until the vault misses nothing of what is there.
pub async fn wait(session: &Session, subject: &Subject, rows: &[Row]) -> Effective {
    let request = match &subject.question {
        Ok(request) => request,
        Err(reason) => return Effective::NotAsked(reason.clone()),
    };
    let there: Vec<&Need> = rows.iter().filter_map(Row::met).collect();
    until_seen(async || session.client.run(request, |_| {}).await.map(drop), &there).await
}

async fn until_seen(mut ask: impl AsyncFnMut() -> Result<(), Error>, there: &[&Need]) -> Effective {
    let began = tokio::time::Instant::now();
    let mut told = false;
    loop {
        let missed = match ask().await {
            Ok(()) => return Effective::Yes,
            Err(Error::Operation(error)) => match missed(&error, there) {
                missed if missed.is_empty() => return Effective::Otherwise(error.to_string()),
                missed => missed,
            },
            // Right after a grant the call itself may be refused for a while.
            Err(Error::Service(error)) if error.status == 403 && began.elapsed() < PATIENCE => {
                vec!["the call"]
            }
            Err(error) => return Effective::NotAsked(error.to_string()),
        };
        if began.elapsed() >= PATIENCE {
            return Effective::NotYet(missed);
        }
        if !std::mem::replace(&mut told, true) {
            note!("… waiting until the vault sees {}", missed.join(", "));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Which of the needs the vault misses: by the documented code, and by the scope where it names one.
fn missed(error: &ServiceError, there: &[&Need]) -> Vec<&'static str> {
    let all = flat(error);
    let is_missed = |need: &&&Need| {
        all.iter().any(|error| {
            let scope = error.target.as_deref();
            need.row.code == Some(error.code.as_str())
                && scope.is_none_or(|scope| scope.eq_ignore_ascii_case(need.scope.as_str()))
        })
    };
    there.iter().filter(is_missed).map(|need| need.row.id).collect()
}

fn flat(error: &ServiceError) -> Vec<&ServiceError> {
    std::iter::once(error).chain(error.details.iter().flat_map(flat)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::required::{Places, Principals, Purpose, needs};

    #[test]
    fn the_vault_misses_what_it_names_by_code_and_scope_and_nothing_else() {
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let place = |name: &str| {
            let text = format!(
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/{name}"
            );
            Some(text.parse().unwrap())
        };
        let places = Places {
            store: place("own"),
            source_store: place("other"),
            ..Places::of(cluster.parse().unwrap())
        };
        let all = needs(Purpose::Restore { vault_tier: false }, &places, &Principals::default());
        let there: Vec<&Need> = all.iter().collect();
        let one = |code: &str, target: Option<&str>| ServiceError {
            code: code.to_owned(),
            target: target.map(str::to_owned),
            ..ServiceError::default()
        };
        let store = "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation";
        let own = all[1].scope.as_str().to_uppercase();

        let table = [
            (vec![one("KubernetesBackupListExtensionsError", None)], vec!["R1"]),
            (vec![one(store, Some(&own))], vec!["R4"]),
            (vec![one(store, None)], vec!["R4", "R4"]),
            (vec![one("UserErrorKubernetesBackupExtensionNotFoundError", Some(cluster))], vec![]),
        ];

        for (details, expected) in table {
            let error = ServiceError { code: "Other".into(), details, ..ServiceError::default() };
            assert_eq!(missed(&error, &there), expected, "{error}");
        }
    }

    /// A vault that refuses with these, or does not, one after the other, and with the last one for ever; and how often it was asked.
    async fn waited(answers: Vec<Option<Error>>) -> (Effective, usize) {
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let all = needs(
            Purpose::Backup { vault_tier: false },
            &Places::of(cluster.parse().unwrap()),
            &Principals::default(),
        );
        let there: Vec<&Need> = all.iter().collect();
        let mut asked = 0;
        let ask = async || {
            let refused = answers.get(asked).or(answers.last()).unwrap().clone();
            asked += 1;
            refused.map_or(Ok(()), Err)
        };
        let effective = until_seen(ask, &there).await;
        (effective, asked)
    }

    fn misses(code: &str) -> Error {
        let detail = ServiceError { code: code.to_owned(), ..ServiceError::default() };
        Error::Operation(ServiceError { details: vec![detail], ..ServiceError::default() })
    }

    fn answers(status: u16) -> Error {
        Error::Service(ServiceError { status, ..ServiceError::default() })
    }

    const UNSEEN: &str = "KubernetesBackupListExtensionsError";

    #[tokio::test(start_paused = true)]
    async fn a_vault_that_does_not_see_a_role_yet_is_asked_until_it_does() {
        let later = vec![Some(answers(403)), Some(misses(UNSEEN)), Some(misses(UNSEEN)), None];

        let (effective, asked) = waited(later).await;

        assert_eq!((effective, asked), (Effective::Yes, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn after_ten_minutes_the_waiting_ends_with_what_is_still_missed() {
        let began = tokio::time::Instant::now();

        let (effective, asked) = waited(vec![Some(misses(UNSEEN))]).await;

        assert_eq!((effective, asked), (Effective::NotYet(vec!["R1"]), 121));
        assert_eq!(began.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waiting_cannot_mend_ends_it_at_once() {
        let (otherwise, once) = waited(vec![Some(misses("SomethingElse"))]).await;
        let (gone, one) = waited(vec![Some(answers(404))]).await;
        let (refused, often) = waited(vec![Some(answers(403))]).await;

        assert!(matches!(otherwise, Effective::Otherwise(_)) && once == 1, "{otherwise:?}");
        assert!(matches!(gone, Effective::NotAsked(_)) && one == 1, "{gone:?}");
        assert!(matches!(refused, Effective::NotAsked(_)) && often == 121, "{refused:?}");
    }
}
