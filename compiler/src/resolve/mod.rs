//! Text to `Model`: reads the program and every module it uses, and finds what each name at the top level means.

pub mod library;

use std::collections::BTreeMap;

use nmc_grammar::ast::{Ident, Item, Use};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::parse::parse;
use nmc_grammar::span::FileId;
use nmc_grammar::suggest::closest;

use crate::files::Files;
use crate::forms::model::{DefId, Model, Module};

/// Reads the program `name` and what it uses.
pub fn resolve(name: &str, text: &str, files: &dyn Files, diagnostics: &mut Vec<Diagnostic>) -> Model {
    let mut resolver = Resolver { model: Model::default(), known: BTreeMap::new(), files, diagnostics };
    resolver.read(name.to_string(), text.to_string(), &mut Vec::new());
    resolver.model
}

struct Resolver<'a> {
    model: Model,
    /// Modules read so far, by their path.
    known: BTreeMap<String, FileId>,
    files: &'a dyn Files,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Resolver<'_> {
    /// Reads one file and, first, all it uses. `path`: the modules being read, outermost first.
    fn read(&mut self, name: String, text: String, path: &mut Vec<String>) -> FileId {
        let file = FileId(self.model.modules.len() as u32);
        let (tree, errors) = parse(file, &text);
        self.diagnostics.extend(errors);
        self.known.insert(name.clone(), file);
        let uses: Vec<Use> = tree
            .items
            .iter()
            .filter_map(|item| if let Item::Use(item) = item { Some(item.clone()) } else { None })
            .collect();
        let scope = self.own(file, &tree.items);
        self.model.modules.push(Module { name: name.clone(), text, tree, scope });
        path.push(name);
        for item in &uses {
            self.bring_in(file, item, path);
        }
        path.pop();
        file
    }

    /// The file's own definitions.
    fn own(&mut self, file: FileId, items: &[Item]) -> BTreeMap<String, DefId> {
        let mut scope = BTreeMap::new();
        let mut first: BTreeMap<&str, &Ident> = BTreeMap::new();
        for (index, item) in items.iter().enumerate() {
            let name = match item {
                Item::Block(block) => &block.name,
                Item::Constant(constant) => &constant.name,
                Item::Use(_) => continue,
            };
            if let Some(earlier) = first.get(name.text.as_str()) {
                let message = format!("`{}` is defined twice", name.text);
                let twice = Diagnostic::new(Code::E0202, message, name.span, "defined again here");
                self.diagnostics.push(twice.with_label(earlier.span, "first defined here"));
                continue;
            }
            first.insert(&name.text, name);
            scope.insert(name.text.clone(), DefId { file, item: index as u32 });
        }
        scope
    }

    fn bring_in(&mut self, file: FileId, item: &Use, path: &mut Vec<String>) {
        let Some(source) = self.module(item, path) else { return };
        for name in &item.names {
            let found = self.model.lookup(source, &name.text);
            let Some(id) = found.filter(|id| id.file == source) else {
                let module = &self.model.modules[source.0 as usize];
                let message = format!("module `{}` has no `{}`", module.name, name.text);
                let mut unknown = Diagnostic::new(Code::E0201, message, name.span, "not defined there");
                let near = || closest(&name.text, module.scope.keys().map(String::as_str));
                unknown.help = library::renamed(Some(&module.name), &name.text)
                    .or_else(|| near().map(|near| format!("did you mean `{near}`?")));
                self.diagnostics.push(unknown);
                continue;
            };
            let scope = &mut self.model.modules[file.0 as usize].scope;
            if scope.get(&name.text).is_some_and(|known| *known != id) {
                let message = format!("`{}` is defined twice", name.text);
                self.diagnostics.push(Diagnostic::new(Code::E0202, message, name.span, "this name is taken already"));
                continue;
            }
            scope.insert(name.text.clone(), id);
        }
    }

    /// The module a `use` names.
    fn module(&mut self, item: &Use, path: &mut Vec<String>) -> Option<FileId> {
        let words: Vec<&str> = item.path.iter().map(|word| word.text.as_str()).collect();
        let name = words.join(".");
        if path.contains(&name) {
            let message = format!("module `{name}` uses itself, by way of {}", path.join(", "));
            self.diagnostics.push(Diagnostic::new(Code::E0204, message, item.span, "closes the circle"));
            return None;
        }
        if let Some(known) = self.known.get(&name) {
            return Some(*known);
        }
        let unknown = |help: Option<String>| {
            let message = format!("there is no module `{name}`");
            let mut unknown = Diagnostic::new(Code::E0203, message, item.span, "not found");
            unknown.help = help;
            unknown
        };
        let text = if words.first() == Some(&"std") {
            let Some(text) = nmc_stdlib::module(&words) else {
                let modules = || nmc_stdlib::modules().iter().map(|module| module.path);
                let mut wholes = item.names.iter().map(|used| format!("{name}.{}", used.text));
                let whole = wholes.find(|whole| modules().any(|module| module == whole)).map(|whole| {
                    format!("`{whole}` is a module: name what you use of it, `use {whole}.{{…}}`; `nmc list` shows it")
                });
                let near = || closest(&name, modules()).map(|near| format!("did you mean `{near}`?"));
                self.diagnostics.push(unknown(whole.or_else(near)));
                return None;
            };
            text.to_string()
        } else {
            let owned: Vec<String> = words.iter().map(|word| (*word).to_string()).collect();
            match self.files.module(&owned) {
                Some(Ok(text)) => text,
                Some(Err(problem)) => {
                    self.diagnostics.push(unknown(Some(problem)));
                    return None;
                }
                None => {
                    self.diagnostics
                        .push(unknown(Some(format!("put it into {}.nmc beside the program", words.join("/")))));
                    return None;
                }
            }
        };
        Some(self.read(name, text, path))
    }
}
