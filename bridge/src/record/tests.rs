//! What the recorder must do, on real media from ffmpeg and read back by ffprobe and ffmpeg.

mod bench;
mod chain;
mod disk;
mod export;
mod faults;
mod flow;
mod full;
mod hours;
mod kill;
mod later;
mod power;
mod source;
mod stop;
mod tools;
