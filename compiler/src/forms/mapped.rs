//! `Mapped`: one experiment on its chip, every form beside the others.

use super::chip::Chip;
use super::circuit::Circuit;
use super::decisions::Decisions;
use super::network::Network;
use super::placement::Placement;
use super::plan::Plan;
use super::tiling::Tiling;
use super::timetable::Timetable;
use nmc_program::Tensor;

/// What mapping starts from.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    pub network: &'a Network,
    pub chip: &'a Chip,
    pub plan: &'a Plan,
    pub tensors: &'a [Tensor],
}

/// Everything known of a mapped experiment.
#[derive(Debug, Clone, Default)]
pub struct Mapped {
    pub network: Network,
    pub chip: Chip,
    pub plan: Plan,
    pub tiling: Tiling,
    pub decisions: Decisions,
    pub circuit: Circuit,
    pub placement: Placement,
    pub timetable: Timetable,
    /// Every event that costs energy and every part that takes area.
    pub costs: super::costs::Table,
}

impl Mapped {
    /// What it was mapped from.
    pub fn given<'a>(&'a self, tensors: &'a [Tensor]) -> Given<'a> {
        Given { network: &self.network, chip: &self.chip, plan: &self.plan, tensors }
    }
}
