//! Every order of the store calls of two nodes' operations, and many orders of three; with one of them killed after each of
//! its steps, too. What all of them were told has to be what one store without a migration could have told.

use rand::{RngExt, SeedableRng, rngs::SmallRng};

use super::world::{Answer, Call, Event, FIRST, What, run};

const ALL: [What; 4] = [What::Load, What::Create, What::Update, What::Delete];

#[test]
fn any_two_calls_of_nodes_in_any_order_are_as_over_one_store() {
    let mut orders = 0;
    for (calls, begins_with_record) in worlds(2) {
        orders += each_order(&calls, begins_with_record, None);
    }
    println!("{orders} orders");
}

#[test]
fn a_node_that_is_killed_after_any_step_is_as_one_whose_last_write_nobody_answered() {
    let mut orders = 0;
    for (calls, begins_with_record) in worlds(2) {
        for steps in 0..MOST_STEPS {
            orders += each_order(&calls, begins_with_record, Some((0, steps)));
        }
    }
    println!("{orders} orders");
}

#[test]
fn any_three_calls_of_nodes_in_many_orders_are_as_over_one_store() {
    let mut random = SmallRng::seed_from_u64(SEED);
    for (calls, begins_with_record) in worlds(3) {
        for _ in 0..rounds() {
            let killed = random.random_bool(0.5).then(|| (0, random.random_range(0..MOST_STEPS)));
            let mut order = Vec::new();
            let events = run(&calls, begins_with_record, killed, &mut |open| {
                let chosen = random.random_range(0..open);
                order.push(chosen);
                chosen
            });
            judge(&events, begins_with_record);
        }
    }
}

const SEED: u64 = 6;

/// A call that nothing comes in between takes no more.
const MOST_STEPS: usize = 6;

/// How many orders of three calls; `SESSION_ORDERS` says it.
fn rounds() -> usize {
    std::env::var("SESSION_ORDERS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// All choices of so many calls by migrating nodes and standbys, with and without a record in the old store.
fn worlds(count: u32) -> Vec<(Vec<Call>, bool)> {
    let choices = ALL.len() * 2;
    let all = (0..choices.pow(count)).map(|mut number| {
        let mut calls = Vec::new();
        for _ in 0..count {
            let what = ALL[number % ALL.len()];
            calls.push(Call { is_standby: number / ALL.len() % 2 == 1, what });
            number /= choices;
        }
        calls
    });
    all.flat_map(|calls| [(calls.clone(), true), (calls, false)]).collect()
}

/// Runs the calls in every order there is; says how many those are.
fn each_order(calls: &[Call], begins_with_record: bool, killed: Option<(usize, usize)>) -> usize {
    let mut prefix: Vec<usize> = Vec::new();
    for orders in 1.. {
        // the choice that was made at each step, and how many there were
        let mut made: Vec<(usize, usize)> = Vec::new();
        let events = run(calls, begins_with_record, killed, &mut |open| {
            let chosen = prefix.get(made.len()).copied().unwrap_or(0);
            made.push((chosen, open));
            chosen
        });
        judge(&events, begins_with_record);
        while made.last().is_some_and(|(chosen, open)| chosen + 1 == *open) {
            made.pop();
        }
        let Some((last, _)) = made.last_mut() else { return orders };
        *last += 1;
        prefix = made.into_iter().map(|(chosen, _)| chosen).collect();
    }
    unreachable!("there are fewer orders")
}

/// Panics unless the answers are those of one store that did the calls one after the other, each between its begin and
/// its end; a call that was killed, or answered that it does not know, may have happened at any time, or not at all.
fn judge(events: &[Event], begins_with_record: bool) {
    let [.., one, two, three] = events else { panic!("there are three loads at the end") };
    let [one, two, three] = [one, two, three].map(|event| event.ended.map(|(_, answer)| answer));
    assert!(one == two && two == three, "what is stored changes when nobody changes it\n{events:#?}");
    let at_first = begins_with_record.then_some(FIRST);
    assert!(is_sequential(events, &mut vec![false; events.len()], at_first), "no one store answers so\n{events:#?}");
}

/// Whether what is left to do can be done one after the other over a store with this record.
fn is_sequential(events: &[Event], done: &mut Vec<bool>, stored: Option<u8>) -> bool {
    let is_certain = |event: &Event| event.ended.is_some_and(|(_, answer)| answer != Answer::Unknown);
    if events.iter().zip(&*done).all(|(event, done)| *done || !is_certain(event)) {
        return true;
    }
    for (index, event) in events.iter().enumerate() {
        let has_to_wait = events.iter().zip(&*done).any(|(other, done)| {
            !*done && is_certain(other) && other.ended.is_some_and(|(ended, _)| ended < event.began)
        });
        if done[index] || has_to_wait || event.began == usize::MAX {
            continue;
        }
        let (answer, stored) = over_one_store(event, stored);
        if is_certain(event) && event.ended.map(|(_, answer)| answer) != Some(answer) {
            continue;
        }
        done[index] = true;
        if is_sequential(events, done, stored) {
            return true;
        }
        done[index] = false;
    }
    false
}

fn over_one_store(event: &Event, stored: Option<u8>) -> (Answer, Option<u8>) {
    let letter = Some(event.letter);
    match event.call.what {
        What::Load => (Answer::Loaded(stored), stored),
        What::Create if stored.is_some() => (Answer::Created(false), stored),
        What::Create => (Answer::Created(true), letter),
        What::Update if stored == Some(FIRST) => (Answer::Updated(None), letter),
        What::Update => (Answer::Updated(Some(stored)), stored),
        What::Delete => (Answer::Deleted, None),
    }
}
