//! Every diagnostic code once: its number and its name. The page for `nmc explain`, with a failing
//! and a mended example, is `docs/errors/<code>.md`; a test holds the two together.
//!
//! Ranges follow the stages: E01 syntax, E02 names, E03 units and shapes, E04 connections and
//! statements, E05 devices and chips, E06 mapping, E07 run time, E09 files and the command line.
//! Warnings (W) share the number space. A number is never used again for something else.

use crate::diagnostic::Severity;

macro_rules! codes {
    ($($code:ident $name:literal)*) => {
        /// A diagnostic code, such as `E0302`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($code,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &[Code] = &[$(Code::$code,)*];

            /// `E0302`
            pub fn number(self) -> &'static str {
                match self { $(Code::$code => stringify!($code),)* }
            }

            /// `dimension-mismatch`
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => $name,)* }
            }
        }
    };
}

codes! {
    // E01 syntax
    E0101 "unexpected-token"
    E0102 "unknown-character"
    E0103 "unclosed-delimiter"
    E0104 "number-out-of-range"
    E0105 "unclosed-string"
    E0106 "nesting-too-deep"
    E0107 "not-a-text-file"
    E0108 "unknown-block"
    E0109 "unknown-statement"
    E0110 "reserved-word"
    E0111 "chained-comparison"
    E0112 "equals-in-condition"
    // E02 names
    E0201 "unknown-name"
    E0202 "defined-twice"
    E0203 "unknown-module"
    E0204 "cyclic-use"
    E0205 "wrong-kind-of-name"
    E0206 "unknown-parameter"
    E0207 "missing-argument"
    W0208 "unused-name"
    E0209 "unknown-array"
    E0210 "endless-network"
    E0220 "unknown-type"
    E0221 "unknown-word"
    E0222 "unknown-function"
    E0223 "circular-constant"
    E0224 "wrong-number-of-arguments"
    // E03 units and shapes
    E0301 "unknown-unit"
    E0302 "dimension-mismatch"
    E0303 "shape-mismatch"
    E0304 "missing-unit"
    E0305 "wrong-type"
    E0306 "impossible-value"
    E0307 "not-finite"
    E0308 "data-do-not-fit"
    E0309 "outside-the-array"
    E0310 "different-numbers-of-samples"
    E0320 "not-a-condition"
    E0321 "power-of-a-quantity"
    // E04 connections and statements
    E0401 "misplaced-statement"
    E0402 "not-supported-yet"
    E0403 "population-too-large"
    E0404 "sizes-do-not-fit"
    E0405 "not-a-probability"
    E0406 "no-input-for-synapse"
    E0407 "one-deploy-needed"
    E0408 "not-a-requirement"
    E0409 "weights-need-a-matrix"
    E0410 "driven-twice"
    E0411 "which-value"
    E0412 "output-not-driven"
    E0413 "input-without-data"
    E0414 "duration-needed"
    E0415 "nothing-to-train"
    E0416 "not-a-layer"
    E0417 "not-a-measure"
    E0418 "weights-or-fit"
    E0419 "two-time-steps"
    E0420 "unknown-state"
    E0421 "second-output"
    W0422 "state-never-changes"
    E0423 "spikes-twice"
    E0424 "second-equation"
    E0425 "sides-missing"
    E0426 "head-does-not-fit"
    E0427 "gives-nothing"
    W0428 "has-no-effect"
    E0429 "cannot-be-changed"
    E0430 "sequence-needed"
    E0453 "method-does-not-fit"
    E0454 "delay-without-bound"
    E0455 "random-in-an-equation"
    E0456 "noise-misplaced"
    W0457 "between-steps"
    E0458 "not-a-spike-time"
    E0459 "sum-misplaced"
    W0460 "delay-without-spikes"
    W0461 "step-too-long"
    W0462 "outside-the-bounds"
    E0463 "not-in-cells"
    W0464 "spikes-after-the-end"
    W0467 "slope-of-zero"
    // E05 devices and chips
    E0501 "unknown-field"
    E0502 "missing-field"
    E0503 "impossible-hardware-value"
    E0504 "not-a-domain"
    E0505 "grids-differ-in-width"
    E0506 "cell-without-range"
    E0507 "not-a-way-to-drive-or-sense"
    E0508 "not-a-unit-function"
    E0520 "given-twice"
    // E06 mapping
    E0601 "no-tile"
    E0602 "too-many-arrays"
    E0603 "no-converter"
    E0604 "impossible-pin"
    E0605 "accuracy-unreachable"
    E0606 "no-unit"
    W0607 "calibrated-on-test"
    E0608 "buffer-too-small"
    E0609 "too-many-neurons"
    E0610 "too-many-synapses"
    E0611 "no-spiking-core"
    E0612 "no-such-core"
    W0613 "limit-not-measured"
    E0614 "too-many-devices"
    W0615 "trial-failed"
    W0616 "not-simulated"
    E0617 "no-core-for-wires"
    E0618 "tick-too-short"
    E0619 "cannot-learn-here"
    E0620 "current-of-cells"
    E0623 "cannot-be-read-backward"
    E0626 "cannot-run-there"
    // E07 run time
    E0702 "damaged-image"
    E0704 "no-such-element"
    E0705 "features-depend"
    E0706 "not-a-number"
    E0707 "too-much-memory"
    E0708 "too-many-spikes"
    E0709 "another-checkpoint"
    E0710 "damaged-checkpoint"
    E0711 "kernel-not-compiled"
    // E09 files and the command line
    E0901 "file-not-found"
    E0902 "unreadable-data"
    E0903 "not-formatted"
    E0904 "no-such-experiment"
    E0905 "cannot-write"
    E0906 "cannot-set"
    E0907 "already-there"
    E0908 "cannot-import"
    E0909 "cannot-export"
    E0999 "internal-error"
}

impl Code {
    /// Warnings begin with `W`.
    pub fn severity(self) -> Severity {
        if self.number().starts_with('W') { Severity::Warning } else { Severity::Error }
    }
}
