//! What devices and platforms say: XML in GB 18030 or UTF-8, and catalogs that are made of it.
#![no_main]

use hearing_proto::gb28181::{Catalog, Message, device, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = device::asked(data);
    let Ok(message) = parse(data) else { return };
    assert_eq!(parse(data).as_ref(), Ok(&message), "the same bytes are the same message");
    if let Message::Catalog(page) = message {
        let (items, mut catalog) = (page.items.len(), Catalog::of(page.sn));
        assert!(page.items.iter().all(|item| item.name.chars().count() <= 128));
        catalog.add(page);
        assert!(catalog.items().count() <= items);
    }
});
