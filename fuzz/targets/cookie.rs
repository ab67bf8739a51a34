//! The lines of a `Cookie` header.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| actix_typed_session::fuzzing::cookie(data));
