#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::bridge_answer::check(data));
