//! Media children: starting, feeding and supervising them.
