//! What the recorder must do, on real media from ffmpeg and read back by ffprobe and ffmpeg.

mod bench;
mod chain;
mod disk;
mod export;
mod faults;
mod flow;
mod kill;
mod source;
mod tools;
