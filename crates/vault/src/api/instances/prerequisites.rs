//! What is known of the prerequisites of an instance, for whoever draws it: every check with its last result. Reading it asks
//! nobody; the vault looks by itself.

use super::live;
use crate::{
    api::{Call, Failure},
    protect::prerequisites::{self as looks, Kept, Row, Verdict, known},
    reply::Reply,
};
use arm::ResourceId;
use jiff::Timestamp;
use serde_json::{Value, json};

/// The type of the document.
const KIND: &str = "Microsoft.DataProtection/backupVaults/backupInstances/prerequisites";

/// The last result.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let instance = live(call, call.scope()?).await?;
    let kept = looks::kept(call.app.store.as_ref(), &instance.id).await?;
    let every = call.app.prerequisites.every().map(|every| every.as_secs());
    Ok(Reply::json(200, shown(&instance.id, kept.as_ref(), every, call.now)))
}

/// The document.
fn shown(instance: &ResourceId, kept: Option<&Kept>, every: Option<i64>, now: Timestamp) -> Value {
    let seen = kept.filter(|kept| kept.looked_at.is_some());
    let rows = seen.map(|kept| kept.rows(now)).unwrap_or_default();
    let is_told = |row: &Row| seen.and_then(|kept| kept.standings.get(&row.id)).is_some_and(|one| one.open);
    let count = |verdict: Verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let blocking = rows.iter().filter(|row| row.is_fatal()).count();
    let state = match seen {
        None => "NotLookedAt",
        Some(_) if blocking > 0 => "Blocked",
        Some(_) if count(Verdict::Failed) > 0 => "Warned",
        Some(kept) if kept.why.is_some() || kept.answered_at.is_none() => "NotObserved",
        Some(_) => "Well",
    };
    json!({
        "id": format!("{instance}/prerequisites"),
        "name": "prerequisites",
        "type": KIND,
        "properties": {
            "objectType": "PrerequisitesReport",
            "backupInstanceId": instance,
            "state": state,
            "lookedAt": seen.and_then(|kept| kept.looked_at),
            "nextLookAt": kept.map(|kept| kept.next),
            "everySeconds": every,
            "clusterAnsweredAt": seen.and_then(|kept| kept.answered_at),
            "clusterNotAskedBecause": seen.and_then(|kept| kept.why.as_deref()),
            "summary": {
                "checks": rows.len(),
                "blocking": blocking,
                "failed": count(Verdict::Failed),
                "passed": count(Verdict::Passed),
                "notObservable": count(Verdict::NotObservable),
                "skipped": count(Verdict::Skipped),
                "notApplicable": count(Verdict::NotApplicable),
            },
            "checks": rows.iter().map(|row| one(row, is_told(row))).collect::<Vec<_>>(),
        },
    })
}

fn one(row: &Row, alert: bool) -> Value {
    let check = known(&row.id);
    json!({
        "id": row.id,
        "title": row.title,
        "reason": check.map(|check| check.reason),
        "scope": check.map(|check| check.scope.name()),
        "severity": if row.blocks { "Block" } else { "Warn" },
        "verdict": row.verdict,
        "code": row.code,
        "evidence": {"sentence": row.evidence, "objects": row.objects, "total": row.total},
        "recommendedAction": row.fixes,
        "dependsOn": check.map(|check| check.depends_on).unwrap_or_default(),
        "documentation": check.map(|check| format!("docs/prerequisites/{}", prerequisites::page_name(check))),
        "observedBy": row.by,
        "observedAt": row.at,
        "since": row.since,
        "alert": alert,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_looked_at_is_neither_well_nor_ill() {
        let instance = "/subscriptions/s/resourceGroups/g".parse().unwrap();

        let document = shown(&instance, None, Some(300), Timestamp::UNIX_EPOCH);

        assert_eq!(document["properties"]["state"], "NotLookedAt");
        assert_eq!(document["properties"]["checks"], json!([]));
        assert_eq!(document["properties"]["lookedAt"], Value::Null);
    }

    #[test]
    fn an_instance_whose_cluster_has_not_answered_yet_is_not_well() {
        let instance = "/subscriptions/s/resourceGroups/g".parse().unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let state = |kept: Value| {
            let kept: Kept = serde_json::from_value(kept).unwrap();
            shown(&instance, Some(&kept), Some(300), at)["properties"]["state"].clone()
        };

        let asked = state(json!({"next": at, "lookedAt": at}));
        let answered = state(json!({"next": at, "lookedAt": at, "answeredAt": at}));

        assert_eq!((asked, answered), (json!("NotObserved"), json!("Well")));
    }
}
