//! What the store promises to those who count before they add.

use arm::ResourceId;
use serde_json::json;
use std::sync::Arc;
use vault::store::{AuditEntry, AuditOutcome, Change, Expected, Store, StoreError, Subscription};

mod databases;

use databases::World;

on_each_database! {
    of_many_that_add_at_once_no_more_get_through_than_there_is_room_for,
    nothing_is_added_below_what_is_gone,
    whoever_decided_on_what_was_touched_decides_again,
    whoever_saw_all_of_a_kind_decides_again_once_there_is_more_of_it,
    of_one_who_locks_and_many_who_saw_no_lock_nobody_comes_behind_the_lock,
}

const KIND: &str = "A.B/things";

fn group() -> ResourceId {
    "/subscriptions/s/resourceGroups/G".parse().unwrap()
}

fn put(id: &ResourceId) -> Change {
    Change::Put { id: id.clone(), document: json!({}), expected: Expected::Absent }
}

fn added(name: &str, most: usize) -> [Change; 2] {
    [put(&group().with(KIND, name).unwrap()), Change::AtMost { under: group(), kind: KIND, most }]
}

fn audit() -> AuditEntry {
    AuditEntry {
        at: jiff::Timestamp::UNIX_EPOCH,
        principal: "p".into(),
        action: "add".into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "c".into(),
    }
}

async fn of_many_that_add_at_once_no_more_get_through_than_there_is_room_for(world: World) {
    world.store.commit_unaudited(&[put(&group())]).await.unwrap();
    // A neighbour's things do not count, nor do those of another type.
    let neighbour: ResourceId = "/subscriptions/s/resourceGroups/G2".parse().unwrap();
    let others = [
        put(&neighbour),
        put(&neighbour.with(KIND, "a").unwrap()),
        put(&group().with("A.B/others", "a").unwrap()),
    ];
    world.store.commit_unaudited(&others).await.unwrap();
    let other = world.database.open().await.unwrap();

    let calls = (0..24).map(|number| {
        let store: Arc<dyn Store> = if number % 2 == 0 { world.store.clone() } else { other.clone() };
        tokio::spawn(async move {
            let changes = added(&format!("thing{number}"), 5);
            // Audited changes come one after the other in any case; those that are nobody's doing do not.
            if number % 3 == 0 {
                store.commit(&changes, &audit()).await
            } else {
                store.commit_unaudited(&changes).await
            }
        })
    });
    let mut ended = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        ended.push(call.await.unwrap());
    }

    let refused = ended.iter().filter(|ended| matches!(ended, Err(StoreError::Conflict(_)))).count();
    assert_eq!((ended.iter().filter(|ended| ended.is_ok()).count(), refused), (5, 19), "{ended:?}");
    assert_eq!(world.store.count(KIND, &group()).await.unwrap(), 5);
    assert_eq!(world.store.resources(KIND, &group(), None, 100).await.unwrap().len(), 5);
    assert_eq!(
        world.store.resource(&group()).await.unwrap().unwrap().version,
        1,
        "it was only counted below it"
    );
    other.close().await;
}

async fn nothing_is_added_below_what_is_gone(world: World) {
    world.store.commit_unaudited(&[put(&group())]).await.unwrap();
    world.store.commit_unaudited(&added("first", 5)).await.unwrap();
    let empty = Change::AtMost { under: group(), kind: KIND, most: 0 };
    let gone = Change::Remove(group(), Expected::Version(1));

    let kept = world.store.commit_unaudited(&[empty.clone(), gone.clone()]).await;
    let first = Change::Remove(group().with(KIND, "first").unwrap(), Expected::Version(1));
    world.store.commit_unaudited(&[first]).await.unwrap();
    world.store.commit_unaudited(&[empty, gone]).await.unwrap();
    let late = world.store.commit_unaudited(&added("late", 5)).await;

    assert!(matches!(kept, Err(StoreError::Conflict(_))), "{kept:?}");
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    assert_eq!(world.store.count(KIND, &group()).await.unwrap(), 0);
}

async fn whoever_decided_on_what_was_touched_decides_again(world: World) {
    world.store.commit_unaudited(&[put(&group())]).await.unwrap();

    world.store.commit_unaudited(&[Change::Touch(group())]).await.unwrap();
    let stale = world.store.commit_unaudited(&[Change::Remove(group(), Expected::Version(1))]).await;
    let nothing = world.store.commit_unaudited(&[Change::Touch(group().with(KIND, "absent").unwrap())]).await;

    assert!(matches!(stale, Err(StoreError::Conflict(_))), "{stale:?}");
    assert!(matches!(nothing, Err(StoreError::Conflict(_))), "{nothing:?}");
    assert_eq!(world.store.resource(&group()).await.unwrap().unwrap().version, 2);
}

fn subscription() -> ResourceId {
    "/subscriptions/s".parse().unwrap()
}

async fn with_subscription(world: &World) {
    let made = Subscription { id: subscription(), name: "s".into(), created_at: jiff::Timestamp::UNIX_EPOCH };
    world.store.commit_unaudited(&[Change::AddSubscription(made), put(&group())]).await.unwrap();
}

fn none_but(seen: &[(&ResourceId, i64)]) -> Change {
    let seen = seen.iter().map(|(id, version)| ((*id).clone(), *version)).collect();
    Change::NoneBut { subscription: subscription(), kind: KIND, seen }
}

async fn whoever_saw_all_of_a_kind_decides_again_once_there_is_more_of_it(world: World) {
    with_subscription(&world).await;
    let [one, two] = ["one", "two"].map(|name| group().with(KIND, name).unwrap());
    let elsewhere: ResourceId = "/subscriptions/s2/resourceGroups/G".parse().unwrap();
    let others = [put(&elsewhere.with(KIND, "x").unwrap()), put(&group().with("A.B/others", "x").unwrap())];
    world.store.commit_unaudited(&others).await.unwrap();
    let holds = async |seen: &[(&ResourceId, i64)]| {
        let made = group().with("A.B/made", &uuid::Uuid::new_v4().to_string()).unwrap();
        match world.store.commit(&[none_but(seen), put(&made)], &audit()).await {
            Ok(()) => true,
            Err(StoreError::Conflict(_)) => {
                assert_eq!(world.store.resource(&made).await.unwrap(), None);
                false
            }
            Err(error) => panic!("{error}"),
        }
    };

    let none = holds(&[]).await;
    world.store.commit_unaudited(&[put(&one), put(&two)]).await.unwrap();
    let came = [holds(&[]).await, holds(&[(&one, 1)]).await, holds(&[(&one, 1), (&two, 1)]).await];
    world.store.commit_unaudited(&[Change::Touch(two.clone())]).await.unwrap();
    let written = [holds(&[(&one, 1), (&two, 1)]).await, holds(&[(&one, 1), (&two, 2)]).await];
    world.store.commit_unaudited(&[Change::Remove(one.clone(), Expected::Version(1))]).await.unwrap();
    let went = holds(&[(&one, 1), (&two, 2)]).await;

    assert!(none, "what is elsewhere, or of another kind, does not count");
    assert_eq!((came, written, went), ([false, false, true], [false, true], true));
}

async fn of_one_who_locks_and_many_who_saw_no_lock_nobody_comes_behind_the_lock(world: World) {
    with_subscription(&world).await;
    let other = world.database.open().await.unwrap();
    let named = |action: String| AuditEntry { action, ..audit() };

    let calls = (0..16).map(|number| {
        let store: Arc<dyn Store> = if number % 2 == 0 { world.store.clone() } else { other.clone() };
        let entry = named(if number == 8 { "lock".to_owned() } else { format!("change {number}") });
        tokio::spawn(async move {
            let made = group().with("A.B/made", &format!("m{number}")).unwrap();
            let lock = group().with(KIND, "lock").unwrap();
            let changes = if number == 8 { vec![put(&lock)] } else { vec![none_but(&[]), put(&made)] };
            drop(store.commit(&changes, &entry).await);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let rows = world.store.audit(0, 100).await.unwrap();

    assert!(rows.last().unwrap().record.contains("\"lock\""), "{:?}", rows.last());
    other.close().await;
}
