//! Tables and properties of the queue.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const SMALL: Limits = Limits { under_way: 2, queued: 4, watches: 2, watches_per_binding: 1 };

fn ticket(entered: Entered) -> Ticket {
    match entered {
        Entered::Waits { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bindings_take_turns_however_many_requests_each_has() {
    let mut queue = Queue::new(Limits { queued: 10, ..SMALL });
    assert_eq!(queue.enter("a", Kind::Call), Entered::Goes);
    assert_eq!(queue.enter("a", Kind::Call), Entered::Goes);
    let a: Vec<_> = (0..5).map(|_| ticket(queue.enter("a", Kind::Call))).collect();
    let b: Vec<_> = (0..2).map(|_| ticket(queue.enter("b", Kind::Call))).collect();
    let c = ticket(queue.enter("c", Kind::Call));

    assert_eq!(queue.admit(), None, "there is no room");
    let mut order = Vec::new();
    for _ in 0..8 {
        queue.leave("a", Kind::Call);
        order.extend(queue.admit());
    }

    assert_eq!(order, [a[0], b[0], c, a[1], b[1], a[2], a[3], a[4]]);
}

#[test]
fn who_fills_the_queue_alone_is_refused_and_gives_way_to_others() {
    let mut queue = Queue::new(SMALL);
    for _ in 0..2 {
        assert_eq!(queue.enter("a", Kind::Call), Entered::Goes);
    }
    let waiting: Vec<_> = (0..4).map(|_| ticket(queue.enter("a", Kind::Call))).collect();

    assert_eq!(queue.enter("a", Kind::Call), Entered::Full);
    let displaced: Vec<_> = (0..3).map(|_| queue.enter("b", Kind::Call)).collect();

    assert!(matches!(displaced[0], Entered::Waits { displaced: Some(t), .. } if t == waiting[3]));
    assert!(matches!(displaced[1], Entered::Waits { displaced: Some(t), .. } if t == waiting[2]));
    assert_eq!(displaced[2], Entered::Full, "both have their half");
    assert_eq!((queue.under_way(), queue.waiting()), (2, 4));
}

#[test]
fn watches_leave_room_for_calls_and_for_the_watches_of_others() {
    let mut queue = Queue::new(Limits { under_way: 3, ..SMALL });

    assert_eq!(queue.enter("a", Kind::Watch), Entered::Goes);
    assert_eq!(queue.enter("a", Kind::Watch), Entered::TooManyWatches);
    assert_eq!(queue.enter("b", Kind::Watch), Entered::Goes);
    assert_eq!(queue.enter("c", Kind::Watch), Entered::TooManyWatches);
    assert_eq!(queue.enter("c", Kind::Call), Entered::Goes);

    queue.leave("b", Kind::Watch);
    assert_eq!(queue.enter("c", Kind::Watch), Entered::Goes);
}

#[test]
fn of_who_went_away_nothing_is_remembered() {
    let mut queue = Queue::new(SMALL);
    queue.enter("a", Kind::Watch);
    queue.enter("b", Kind::Call);
    let waiting = ticket(queue.enter("c", Kind::Watch));

    queue.withdraw("c", waiting);
    queue.withdraw("c", waiting);
    queue.leave("a", Kind::Watch);
    queue.leave("b", Kind::Call);

    assert_eq!((queue.under_way(), queue.waiting(), queue.bindings()), (0, 0, 0));
    assert_eq!(queue.admit(), None);
}

#[derive(Debug, Clone)]
enum Event {
    Enter(u8, bool),
    Leave(usize),
    Withdraw(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..5_u8, any::<bool>()).prop_map(|(binding, watch)| Event::Enter(binding, watch)),
        2 => any::<usize>().prop_map(Event::Leave),
        1 => any::<usize>().prop_map(Event::Withdraw),
    ]
}

proptest! {
    /// Whatever happens: the limits hold, nobody waits beside a free place, everybody who waits comes up or is
    /// displaced, exactly once, and nothing remains at the end.
    #[test]
    fn the_limits_hold_and_nobody_is_lost(events in proptest::collection::vec(event(), 0..200)) {
        let limits = Limits { under_way: 5, queued: 8, watches: 3, watches_per_binding: 2 };
        let mut queue = Queue::new(limits);
        let mut going: Vec<(String, Kind)> = Vec::new();
        let mut waiting: Vec<(String, Kind, Ticket)> = Vec::new();
        let mut seen = BTreeSet::new();

        for event in events {
            match event {
                Event::Enter(binding, watch) => {
                    let binding = format!("b{binding}");
                    let kind = if watch { Kind::Watch } else { Kind::Call };
                    match queue.enter(&binding, kind) {
                        Entered::Goes => going.push((binding, kind)),
                        Entered::Waits { ticket, displaced } => {
                            prop_assert!(seen.insert(ticket));
                            if let Some(lost) = displaced {
                                let before = waiting.len();
                                waiting.retain(|(_, _, other)| *other != lost);
                                prop_assert_eq!(waiting.len() + 1, before);
                            }
                            waiting.push((binding, kind, ticket));
                        }
                        Entered::Full => prop_assert_eq!(queue.waiting(), limits.queued),
                        Entered::TooManyWatches => prop_assert_eq!(kind, Kind::Watch),
                    }
                }
                Event::Leave(which) if !going.is_empty() => {
                    let (binding, kind) = going.swap_remove(which % going.len());
                    queue.leave(&binding, kind);
                }
                Event::Withdraw(which) if !waiting.is_empty() => {
                    let (binding, _, ticket) = waiting.swap_remove(which % waiting.len());
                    queue.withdraw(&binding, ticket);
                }
                Event::Leave(_) | Event::Withdraw(_) => {}
            }
            while let Some(ticket) = queue.admit() {
                let at = waiting.iter().position(|(_, _, other)| *other == ticket);
                prop_assert!(at.is_some(), "{ticket:?} came up and does not wait");
                let (binding, kind, _) = waiting.remove(at.unwrap());
                going.push((binding, kind));
            }

            let watches = |binding: Option<&str>| {
                going.iter().map(|(b, k)| (b, k)).chain(waiting.iter().map(|(b, k, _)| (b, k)))
                    .filter(|(b, k)| **k == Kind::Watch && binding.is_none_or(|binding| binding == *b))
                    .count()
            };
            prop_assert_eq!(queue.under_way(), going.len());
            prop_assert_eq!(queue.waiting(), waiting.len());
            prop_assert!(going.len() <= limits.under_way && waiting.len() <= limits.queued);
            prop_assert!(waiting.is_empty() || going.len() == limits.under_way);
            prop_assert!(watches(None) <= limits.watches);
            for binding in 0..5 {
                let own = watches(Some(&format!("b{binding}")));
                prop_assert!(own <= limits.watches_per_binding);
            }
        }

        for (binding, _, ticket) in waiting {
            queue.withdraw(&binding, ticket);
        }
        for (binding, kind) in going {
            queue.leave(&binding, kind);
        }
        prop_assert_eq!((queue.under_way(), queue.waiting(), queue.bindings()), (0, 0, 0));
    }
}
