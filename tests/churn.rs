//! A model that is loaded and unloaded a thousand times under traffic: the memory is as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../benches/rig/mod.rs"]
mod rig;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rig::{Connection, Process, digits, request};

#[test]
#[ignore = "takes long: cargo test --release --test churn -- --ignored --nocapture"]
fn memory_returns_to_where_it_was() {
    let models = "embedded:digits,dir:models/encoder";
    let server = Process::server(&["--models", models, "--admin", "on"]);
    server.first_answer(&request("/v2/models/digits/infer", &digits()));
    let encoder = r#"{"inputs":[{"name":"input_ids","shape":[1,3],"datatype":"INT64","data":[1,2,3]},
        {"name":"attention_mask","shape":[1,3],"datatype":"INT64","data":[1,1,1]}]}"#;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic: Vec<_> = [("encoder", encoder.to_owned()), ("digits", digits())]
            .into_iter()
            .map(|(model, body)| {
                let (server, done) = (&server, &done);
                scope.spawn(move || {
                    let mut connection = Connection::new(server.address);
                    let (mut answered, mut not_ready) = (0, 0);
                    while !done.load(Ordering::Relaxed) {
                        match connection.post(&format!("/v2/models/{model}/infer"), &body).0 {
                            200 => answered += 1,
                            503 if model == "encoder" => not_ready += 1,
                            other => panic!("{model}: {other}"),
                        }
                    }
                    println!("{model}: {answered} answered, {not_ready} while it was not loaded");
                    answered
                })
            })
            .collect();
        let mut admin = Connection::new(server.address);
        let mut resident = Vec::new();
        for round in 0..1000 {
            assert_eq!(admin.post("/v2/repository/models/encoder/unload", "").0, 200);
            assert_eq!(admin.post("/v2/repository/models/encoder/load", "").0, 200);
            if round % 100 == 99 {
                resident.push(server.resident());
                println!("after {} rounds: {:.1} MiB", round + 1, server.resident());
            }
        }
        done.store(true, Ordering::Relaxed);
        let answered: Vec<i32> = traffic.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(answered.iter().all(|&answered| answered > 100), "{answered:?}");
        let (first, last) = (resident[0], resident[resident.len() - 1]);
        assert!(last <= first * 1.2 + 4.0, "it grew from {first:.1} to {last:.1} MiB");
    });
}
