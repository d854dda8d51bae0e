//! The verifier of a manifest, and the reader that goes on with one.
#![no_main]

use std::io::{self, Read};

use hearing_proto::manifest::verify::{Files, Listing, MANIFEST, Trust, Verdict, verify, witness_lines};
use hearing_proto::manifest::{Line, unsigned};
use libfuzzer_sys::fuzz_target;

/// A record that has only its manifest.
struct Folder<'a>(&'a [u8]);

impl Files for Folder<'_> {
    fn list(&self) -> io::Result<Listing> {
        Ok([(MANIFEST.to_owned(), self.0.len() as u64)].into())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Read + '_>> {
        if name == MANIFEST { Ok(Box::new(self.0)) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

fuzz_target!(|data: &[u8]| {
    let report = verify(&Folder(data), &Trust { threads: 1, ..Trust::default() });
    assert_ne!(report.verdict, Verdict::Intact, "nothing is trusted");
    witness_lines(data);
    for line in data.split(|byte| *byte == b'\n') {
        assert!(unsigned(line).len() <= line.len());
        let _ = Line::parse(line);
    }
});
