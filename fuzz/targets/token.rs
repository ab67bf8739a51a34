//! A token's text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| actix_typed_session::fuzzing::token(data));
