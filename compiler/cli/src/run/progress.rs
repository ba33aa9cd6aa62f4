//! The progress bar: on a terminal only, and only for what takes a while.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const STEPS: u64 = 1000;

/// A bar on standard error; none in a pipe.
pub fn bar(name: &str) -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent:>3} %  {elapsed}");
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(name.to_string());
    bar.enable_steady_tick(Duration::from_millis(200));
    Some(bar)
}

/// Moves a bar to the share done.
pub fn moved(bar: Option<&ProgressBar>, share: f64) {
    if let Some(bar) = bar {
        bar.set_position((share.clamp(0.0, 1.0) * STEPS as f64) as u64);
    }
}
