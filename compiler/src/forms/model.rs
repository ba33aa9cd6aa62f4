//! `Model`: parsed files with every name bound and every dimension checked; blocks still generic.

use std::collections::BTreeMap;

use nmc_grammar::ast::{Block, BlockKind, Expr, File};
use nmc_grammar::span::FileId;

/// A top-level definition: which file, and which item of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefId {
    /// The file.
    pub file: FileId,
    /// Index into that file's items.
    pub item: u32,
}

/// One source file of the compilation.
#[derive(Debug, Clone)]
pub struct Module {
    /// `std.neuron` or, for the program itself, its file name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Its tree.
    pub tree: File,
    /// Every name visible at its top level: its own definitions, then what `use` brought in.
    pub scope: BTreeMap<String, DefId>,
}

/// All files reachable from the program. `modules[FileId.0]`; the program itself is `FileId(0)`.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Indexed by `FileId`.
    pub modules: Vec<Module>,
}

/// What a definition is.
#[derive(Debug, Clone, Copy)]
pub enum Definition<'a> {
    /// A block of any kind.
    Block(&'a Block),
    /// `const NAME = EXPR`
    Constant(&'a Expr),
}

impl Model {
    /// What `name` means in `file`.
    pub fn lookup(&self, file: FileId, name: &str) -> Option<DefId> {
        self.modules.get(file.0 as usize)?.scope.get(name).copied()
    }

    /// The definition behind an id.
    pub fn definition(&self, id: DefId) -> Option<Definition<'_>> {
        match self.modules.get(id.file.0 as usize)?.tree.items.get(id.item as usize)? {
            nmc_grammar::ast::Item::Block(block) => Some(Definition::Block(block)),
            nmc_grammar::ast::Item::Constant(constant) => Some(Definition::Constant(&constant.value)),
            nmc_grammar::ast::Item::Use(_) => None,
        }
    }

    /// The program's own blocks of one kind, in the order written.
    pub fn own(&self, kind: BlockKind) -> impl Iterator<Item = (DefId, &Block)> {
        let items = self.modules.first().map_or(&[][..], |module| &module.tree.items);
        items.iter().enumerate().filter_map(move |(index, item)| match item {
            nmc_grammar::ast::Item::Block(block) if block.kind == kind => {
                Some((DefId { file: FileId(0), item: index as u32 }, block))
            }
            nmc_grammar::ast::Item::Block(_) | nmc_grammar::ast::Item::Constant(_) | nmc_grammar::ast::Item::Use(_) => {
                None
            }
        })
    }
}
