//! Tells cargo that the binary contains the page, so that a newly built page gets into it.

fn main() {
    println!("cargo:rerun-if-changed=web/dist");
}
