#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| as2_protocol::fuzzing::inspect(data));
