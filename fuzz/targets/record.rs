//! The bytes of a record.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| actix_typed_session::fuzzing::record(data));
