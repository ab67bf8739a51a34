//! Writes that a node sends a second time to the primary, as it does when another copy becomes that.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_typed_session::store::{Created, ElasticsearchStore, Record, SessionStore, StoreErrorKind, Updated};
use actix_typed_session_tests::support::search::Search;
use libtest_mimic::Trial;

use super::{
    Server, fresh,
    puppet::{Asked, Puppet, error, pass_on},
    record, store,
};

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    on_one!(trials: a_write_that_was_sent_twice_is_there, a_write_that_was_sent_twice_is_done_though_others_wrote_over_it,
        a_write_that_others_were_before_is_a_conflict_whoever_is_the_primary,
        a_write_is_of_unknown_outcome_where_a_new_primary_has_seen_too_many_others,
        a_write_is_of_unknown_outcome_where_a_copy_does_not_know_what_was_read,
        a_write_that_a_primary_has_alone_that_was_cut_off_is_not_done);
}

/// What happens to the first write that comes.
#[derive(Clone, Copy)]
struct Way {
    /// It is done, and then sent again.
    twice: bool,
    /// So many others write before it is answered.
    others: usize,
    /// Another copy is the primary then.
    moved: bool,
}

/// The record `k`, at which the store behind a node that does this is about to write.
async fn before(server: &Server, way: Way) -> (ElasticsearchStore, ElasticsearchStore, Record) {
    let (direct, index) = fresh(server).await;
    let first = record("first");
    let _ = direct.create("k", &first).await.unwrap();
    let (port, others, is_over) = (server.port(), direct.clone(), AtomicBool::new(false));
    let node = Puppet::start(move |asked| {
        if asked.what.starts_with("PUT") && !is_over.swap(true, Ordering::SeqCst) {
            if way.twice {
                pass_on(asked, port)?;
            }
            write(&others, way.others);
        }
        // which the server itself does not know
        let line = asked.line.replace("if_primary_term=2", "if_primary_term=1");
        let (status, body) = pass_on(&Asked { line, ..asked.clone() }, port)?;
        let is_moved = way.moved && is_over.load(Ordering::SeqCst);
        Some((status, if is_moved { body.replace(r#""_primary_term":1"#, r#""_primary_term":2"#) } else { body }))
    });
    let behind = store(node.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    (behind, direct, first)
}

/// So many others write, one after the other.
fn write(store: &ElasticsearchStore, others: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for _ in 0..others {
            let there = store.load("k").await.unwrap().unwrap();
            assert_eq!(store.update("k", &record("another"), &there.version).await.unwrap(), Updated::Done);
        }
    });
}

async fn a_write_that_was_sent_twice_is_there(server: Server) {
    for moved in [false, true] {
        let way = Way { twice: true, others: 0, moved };
        let (behind, _, first) = before(&server, way).await;
        let mine = record("mine");
        let updated = behind.update("k", &mine, &first.version).await.unwrap();
        let Updated::Conflict(there) = updated else { panic!("{moved}: {updated:?}") };
        assert_eq!((there.version, there.bytes), (mine.version, mine.bytes.clone()));
        let (behind, direct, _) = before(&server, way).await;
        assert_eq!(behind.create("new", &mine).await.unwrap(), Created::Taken);
        assert_eq!(direct.load("new").await.unwrap().unwrap().version, mine.version);
    }
}

async fn a_write_that_was_sent_twice_is_done_though_others_wrote_over_it(server: Server) {
    for (others, moved) in [(1, false), (1, true), (7, true)] {
        let (behind, direct, first) = before(&server, Way { twice: true, others, moved }).await;
        assert_eq!(behind.update("k", &record("mine"), &first.version).await.unwrap(), Updated::Done);
        assert_eq!(direct.load("k").await.unwrap().unwrap().bytes, "another");
    }
}

async fn a_write_that_others_were_before_is_a_conflict_whoever_is_the_primary(server: Server) {
    for (others, moved) in [(1, false), (20, false), (1, true), (7, true)] {
        let (behind, _, first) = before(&server, Way { twice: false, others, moved }).await;
        let updated = behind.update("k", &record("mine"), &first.version).await.unwrap();
        let Updated::Conflict(there) = updated else { panic!("{others} {moved}: {updated:?}") };
        assert_eq!(there.bytes, "another");
    }
}

async fn a_write_is_of_unknown_outcome_where_a_new_primary_has_seen_too_many_others(server: Server) {
    for twice in [false, true] {
        let (behind, _, first) = before(&server, Way { twice, others: 8, moved: true }).await;
        let error = behind.update("k", &record("mine"), &first.version).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    }
}

async fn a_write_is_of_unknown_outcome_where_a_copy_does_not_know_what_was_read(server: Server) {
    let (direct, index) = fresh(&server).await;
    let (older, read) = (record("older"), record("read"));
    let _ = direct.create("k", &older).await.unwrap();
    let copy = server.ask("GET", &format!("/{index}/_doc/k"), "");
    assert_eq!(direct.update("k", &read, &older.version).await.unwrap(), Updated::Done);
    let (port, is_over) = (server.port(), AtomicBool::new(false));
    let node = Puppet::start(move |asked| {
        if asked.what.starts_with("PUT") {
            is_over.store(true, Ordering::SeqCst);
            pass_on(asked, port)?;
        }
        let is_copy =
            asked.what.ends_with("/_doc/k") && asked.what.starts_with("GET") && is_over.load(Ordering::SeqCst);
        if is_copy { Some(copy.clone()) } else { pass_on(asked, port) }
    });
    let behind = store(node.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
    let error = behind.update("k", &record("mine"), &read.version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    assert_eq!(direct.load("k").await.unwrap().unwrap().bytes, "mine");
}

async fn a_write_that_a_primary_has_alone_that_was_cut_off_is_not_done(server: Server) {
    for is_created in [false, true] {
        let (direct, index) = fresh(&server).await;
        let first = record("first");
        let _ = direct.create("k", &first).await.unwrap();
        let (port, alone) = (server.port(), Mutex::new(None));
        let was_cut_off = AtomicBool::new(false);
        let node = Puppet::start(move |asked| {
            let mut alone = alone.lock().unwrap();
            if asked.what.starts_with("PUT") && !was_cut_off.swap(true, Ordering::SeqCst) {
                *alone = Some(asked.body.clone());
                return error(409, "version_conflict_engine_exception");
            }
            let is_read = asked.what.starts_with("GET") && asked.what.contains("/_doc/");
            match alone.take_if(|_| is_read) {
                Some(source) => {
                    Some((200, format!(r#"{{"found":true,"_seq_no":999,"_primary_term":1,"_source":{source}}}"#)))
                }
                None => pass_on(asked, port),
            }
        });
        let behind = store(node.url()).index(&index).unwrap().timeout(Duration::from_secs(20));
        let mine = record("mine");
        let key = if is_created {
            assert_eq!(behind.create("new", &mine).await.unwrap(), Created::Created);
            "new"
        } else {
            assert_eq!(behind.update("k", &mine, &first.version).await.unwrap(), Updated::Done);
            "k"
        };
        assert_eq!(direct.load(key).await.unwrap().unwrap().version, mine.version);
    }
}
