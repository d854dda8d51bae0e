//! A catalog that comes in parts: as many items as its sum says, in any order, some of them twice.

use std::collections::BTreeMap;

use super::{Code, Item, Page};

/// Gathers the parts that answer one query. Bounded: 1,000 items.
#[derive(Debug, Clone)]
pub struct Catalog {
    sn: u32,
    sum: Option<u32>,
    items: BTreeMap<Code, Item>,
    /// Items that came, those that came twice or did not fit included.
    came: u64,
}

/// What a part has made of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// It is complete.
    Whole,
    /// More is to come.
    Partly,
    /// The part answers another query.
    Stray,
}

impl Catalog {
    /// The answers to query number `sn`.
    #[must_use]
    pub const fn of(sn: u32) -> Self {
        Self { sn, sum: None, items: BTreeMap::new(), came: 0 }
    }

    /// A part came.
    pub fn add(&mut self, page: Page) -> Filled {
        if page.sn != self.sn {
            return Filled::Stray;
        }
        self.sum = Some(page.sum);
        self.came += page.items.len() as u64;
        for item in page.items {
            if self.items.len() < ITEMS_LIMIT || self.items.contains_key(&item.code) {
                self.items.insert(item.code, item);
            }
        }
        if self.is_whole() { Filled::Whole } else { Filled::Partly }
    }

    /// True when as much has come as was to come.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.sum.is_some_and(|sum| self.came >= u64::from(sum))
    }

    /// What has come, in the order of the identities.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }
}

/// The most items of a device that are kept.
const ITEMS_LIMIT: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sn: u32, sum: u32, ids: &[u8]) -> Page {
        let item = |id: &u8| Item {
            code: format!("340200000013200000{id:02}").parse().unwrap(),
            name: String::new(),
            parent: None,
            on: true,
            turns: false,
            event: None,
        };
        Page { device: "34020000001110000001".parse().unwrap(), sn, sum, items: ids.iter().map(item).collect() }
    }

    #[test]
    fn it_is_whole_when_as_many_items_came_as_were_told() {
        let mut catalog = Catalog::of(9);
        assert_eq!(catalog.add(page(9, 3, &[2])), Filled::Partly);
        assert_eq!(catalog.add(page(8, 1, &[7])), Filled::Stray);
        assert_eq!(catalog.add(page(9, 3, &[1, 2])), Filled::Whole);
        assert_eq!(catalog.items().count(), 2);
    }

    #[test]
    fn an_empty_catalog_is_whole_at_once_and_a_large_one_bounded() {
        assert_eq!(Catalog::of(1).add(page(1, 0, &[])), Filled::Whole);
        let mut catalog = Catalog::of(1);
        for thousand in 0..2_000_u32 {
            let mut one = page(1, 5_000, &[0]);
            one.items[0].code = format!("3402000000132{thousand:07}").parse().unwrap();
            catalog.add(one);
        }
        assert_eq!(catalog.items().count(), ITEMS_LIMIT);
    }
}
