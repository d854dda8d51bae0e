//! The Merkle tree over the manifest's lines (RFC 6962, section 2.1): roots of every size, and proofs of consistency.

use super::hash::{Hash, HashAlg};

/// The tree over the lines; keeps every complete subtree, 64 bytes a line.
#[derive(Debug, Clone)]
pub struct Tree {
    alg: HashAlg,
    /// `levels[k][i]` is the root of the lines from `i << k` on, `1 << k` of them.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without lines.
    #[must_use]
    pub const fn new(alg: HashAlg) -> Self {
        Self { alg, levels: Vec::new() }
    }

    /// Appends a line by its leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut carry = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(carry);
            let [.., left, right] = self.levels[level][..] else { return };
            if self.levels[level].len() % 2 == 1 {
                return;
            }
            carry = node(self.alg, left, right);
        }
    }

    /// Lines in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The root over the first `size` lines; `None` when there are fewer.
    #[must_use]
    pub fn root(&self, size: u64) -> Option<Hash> {
        match size {
            0 => Some(self.alg.hash(&[])),
            _ if size > self.size() => None,
            _ => Some(self.range(0, size)),
        }
    }

    /// The proof that the first `old` lines are the beginning of the first `new` (RFC 6962, section 2.1.2); `None` when
    /// there are fewer lines or `old` is greater than `new`.
    #[must_use]
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        if old > new || new > self.size() {
            return None;
        }
        let mut proof = Vec::new();
        if old > 0 && old < new {
            self.subproof(old, 0, new, true, &mut proof);
        }
        Some(proof)
    }

    fn subproof(&self, old: u64, from: u64, to: u64, whole: bool, proof: &mut Vec<Hash>) {
        if old == to - from {
            if !whole {
                proof.push(self.range(from, to));
            }
            return;
        }
        let split = split(to - from);
        if old <= split {
            self.subproof(old, from, from + split, whole, proof);
            proof.push(self.range(from + split, to));
        } else {
            self.subproof(old - split, from + split, to, false, proof);
            proof.push(self.range(from, from + split));
        }
    }

    /// The root of lines `from..to`; `from` is a multiple of every power of two that the range is split by.
    fn range(&self, from: u64, to: u64) -> Hash {
        let count = to - from;
        if count.is_power_of_two() {
            let level = count.trailing_zeros() as usize;
            return self.levels[level][(from >> level) as usize];
        }
        let split = split(count);
        node(self.alg, self.range(from, from + split), self.range(from + split, to))
    }
}

/// The hash of a line: `hash(0x00 || line)`.
#[must_use]
pub fn leaf(alg: HashAlg, line: &[u8]) -> Hash {
    alg.hash(&[&[0], line])
}

/// True when `proof` shows that the tree of `new` begins with the tree of `old`; each is a size and a root.
/// RFC 9162, section 2.1.4.2. Everything is consistent with an empty tree.
#[must_use]
pub fn is_consistent(alg: HashAlg, old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> bool {
    if old.0 == 0 || old.0 >= new.0 {
        return proof.is_empty() && (old.0 == 0 || old == new);
    }
    let (mut a, mut b) = (old.0 - 1, new.0 - 1);
    let shift = a.trailing_ones();
    (a, b) = (a >> shift, b >> shift);
    let mut rest = proof.iter().copied();
    let Some(first) = (if old.0.is_power_of_two() { Some(old.1) } else { rest.next() }) else { return false };
    let (mut old_root, mut new_root) = (first, first);
    for hash in rest {
        if b == 0 {
            return false;
        }
        if a & 1 == 1 || a == b {
            (old_root, new_root) = (node(alg, hash, old_root), node(alg, hash, new_root));
            while a & 1 == 0 && a != 0 {
                (a, b) = (a >> 1, b >> 1);
            }
        } else {
            new_root = node(alg, new_root, hash);
        }
        (a, b) = (a >> 1, b >> 1);
    }
    b == 0 && old_root == old.1 && new_root == new.1
}

fn node(alg: HashAlg, left: Hash, right: Hash) -> Hash {
    alg.hash(&[&[1], &left.0, &right.0])
}

/// The largest power of two that is smaller than `count`, which is at least 2.
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 2.1 as it is written there.
    fn plain(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => HashAlg::Sha256.hash(&[]),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(split(many.len() as u64) as usize);
                node(HashAlg::Sha256, plain(left), plain(right))
            }
        }
    }

    fn tree(count: u64) -> (Tree, Vec<Hash>) {
        let leaves: Vec<Hash> = (0..count).map(|n| leaf(HashAlg::Sha256, &n.to_be_bytes())).collect();
        let mut tree = Tree::new(HashAlg::Sha256);
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        (tree, leaves)
    }

    #[test]
    fn every_root_is_the_one_of_the_rfc() {
        let (tree, leaves) = tree(70);
        for size in 0..=70 {
            assert_eq!(tree.root(size), Some(plain(&leaves[..size as usize])), "{size}");
        }
        assert_eq!(tree.root(71), None);
    }

    #[test]
    fn a_longer_tree_proves_that_it_goes_on_from_a_shorter_one_and_no_other_does() {
        let (tree, _) = tree(40);
        let other = HashAlg::Sha256.hash(&[b"another history"]);
        for new in 0..=40 {
            for old in 0..=new {
                let (proof, at) = (tree.consistency(old, new).unwrap(), |size| (size, tree.root(size).unwrap()));
                assert!(is_consistent(HashAlg::Sha256, at(old), at(new), &proof), "{old} {new}");
                if old > 0 {
                    assert!(!is_consistent(HashAlg::Sha256, (old, other), at(new), &proof), "{old} {new}");
                    assert!(!is_consistent(HashAlg::Sha256, at(old), (new, other), &proof), "{old} {new}");
                    let longer = [proof.clone(), vec![other]].concat();
                    assert!(!is_consistent(HashAlg::Sha256, at(old), at(new), &longer), "{old} {new}");
                }
                for n in 0..proof.len() {
                    let mut wrong = proof.clone();
                    wrong[n] = other;
                    assert!(!is_consistent(HashAlg::Sha256, at(old), at(new), &wrong), "{old} {new} {n}");
                }
            }
        }
    }
}
