//! One node: every start-up step, in order, once.
