//! Which file of a crate imports from which, by the names that its code uses.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

/// A module's path from the crate's root: `["store", "file"]`.
type Module = Vec<String>;

/// A use of a name of one file by another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    pub from: String,
    pub to: String,
    pub name: String,
}

/// A crate's files, by their paths below `src/`.
pub(crate) struct Sources {
    modules: BTreeMap<Module, File>,
}

/// What a file defines, and the names that it uses.
struct File {
    path: String,
    defines: BTreeSet<String>,
    /// Names that `use` brings in, and the paths that they stand for.
    aliases: BTreeMap<String, Vec<String>>,
    /// Modules whose names are all brought in.
    globs: Vec<Vec<String>>,
    uses: BTreeSet<Vec<String>>,
    texts: BTreeSet<String>,
}

impl Sources {
    /// Parses files; `paths` are those below `src/`, beside their text. Test modules are not read.
    pub(crate) fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Sources {
        let parse = |(path, text): (&str, &str)| {
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
            let mut names = Names::default();
            names.visit_file(&parsed);
            let Names { defines, aliases, globs, uses, texts } = names;
            (module(path), File { path: path.to_owned(), defines, aliases, globs, uses, texts })
        };
        Sources { modules: files.into_iter().map(parse).collect() }
    }

    /// The texts that stand in the code of each file, but for comments and attributes.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.modules.values().map(|file| (file.path.as_str(), &file.texts))
    }

    /// Every import of one file from another, each once.
    pub(crate) fn imports(&self) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for (module, file) in &self.modules {
            for path in &file.uses {
                if let Some(to) = self.find(module, path, 0).filter(|to| *to != file.path) {
                    let name = path.join("::");
                    imports.insert(Import { from: file.path.clone(), to: to.to_owned(), name });
                }
            }
        }
        imports
    }

    /// The file that defines what `path` names in `module`; `None` for what is of another crate, or is
    /// a module as such.
    fn find(&self, module: &[String], path: &[String], depth: usize) -> Option<&str> {
        if depth > 12 {
            return None;
        }
        let file = self.modules.get(module)?;
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => return self.find(&[], rest, depth + 1),
            "self" => return self.find(module, rest, depth + 1),
            "super" => return self.find(&module[..module.len().checked_sub(1)?], rest, depth + 1),
            _ => {}
        }
        let child = [module, std::slice::from_ref(first)].concat();
        if self.modules.contains_key(&child) && !rest.is_empty() {
            return self.find(&child, rest, depth + 1);
        }
        if file.defines.contains(first) {
            return Some(&file.path);
        }
        if let Some(alias) = file.aliases.get(first) {
            let path = [alias, rest].concat();
            // `use some_crate;` names what is outside.
            return (path != [first.clone()]).then(|| self.find(module, &path, depth + 1)).flatten();
        }
        file.globs.iter().find_map(|glob| self.find(module, &[glob, path].concat(), depth + 1))
    }
}

/// The groups of files that import each other, in a circle.
pub(crate) fn circles(imports: &BTreeSet<Import>) -> Vec<Vec<String>> {
    let mut after: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for import in imports {
        after.entry(&import.from).or_default().insert(&import.to);
    }
    let reach = |start: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start.to_owned()]);
        while let Some(file) = open.pop() {
            for next in after.get(file.as_str()).into_iter().flatten() {
                if seen.insert((*next).to_owned()) {
                    open.push((*next).to_owned());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, BTreeSet<String>> = after.keys().map(|file| (*file, reach(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(*file) {
            let back = |other: &&String| reached.get(other.as_str()).is_some_and(|its| its.contains(*file));
            circles.insert(others.iter().filter(back).cloned().collect::<Vec<_>>());
        }
    }
    circles.into_iter().collect()
}

fn module(path: &str) -> Module {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// Collects the names of a file.
#[derive(Default)]
struct Names {
    defines: BTreeSet<String>,
    aliases: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    uses: BTreeSet<Vec<String>>,
    texts: BTreeSet<String>,
}

impl Names {
    fn tree(&mut self, tree: &syn::UseTree, before: &[String], is_public: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident), is_public),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(tree, before, is_public));
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.alias(before.last().cloned().unwrap_or_default(), before.to_vec(), is_public);
            }
            syn::UseTree::Name(name) => self.alias(name.ident.to_string(), with(&name.ident), is_public),
            syn::UseTree::Rename(name) => self.alias(name.rename.to_string(), with(&name.ident), is_public),
            syn::UseTree::Glob(_) => self.globs.push(before.to_vec()),
        }
    }

    fn alias(&mut self, name: String, path: Vec<String>, is_public: bool) {
        // What is only passed on is no use.
        if !is_public {
            self.uses.insert(path.clone());
        }
        self.aliases.insert(name, path);
    }

    /// The paths within a macro's tokens.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                proc_macro2::TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.uses.insert(std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.uses.insert(std::mem::take(&mut path));
                    colons = 0;
                    if let proc_macro2::TokenTree::Literal(literal) = &other
                        && let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                    {
                        self.texts.insert(text.value());
                    }
                    if let proc_macro2::TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.uses.insert(path);
    }
}

/// Whether an item is compiled for tests alone.
fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        use syn::Item;
        let named = match item {
            Item::Const(item) => Some((&item.attrs, &item.ident)),
            Item::Enum(item) => Some((&item.attrs, &item.ident)),
            Item::Fn(item) => Some((&item.attrs, &item.sig.ident)),
            Item::Mod(item) if is_test(&item.attrs) => return,
            Item::Static(item) => Some((&item.attrs, &item.ident)),
            Item::Struct(item) => Some((&item.attrs, &item.ident)),
            Item::Trait(item) => Some((&item.attrs, &item.ident)),
            Item::Type(item) => Some((&item.attrs, &item.ident)),
            Item::Union(item) => Some((&item.attrs, &item.ident)),
            Item::Macro(item) => item.ident.as_ref().map(|name| (&item.attrs, name)),
            Item::Impl(item) if is_test(&item.attrs) => return,
            Item::Use(item) => {
                let is_public = !matches!(item.vis, syn::Visibility::Inherited);
                self.tree(&item.tree, &[], is_public);
                return;
            }
            _ => None,
        };
        if let Some((attributes, name)) = named {
            if is_test(attributes) {
                return;
            }
            self.defines.insert(name.to_string());
        }
        syn::visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.uses.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
        syn::visit::visit_macro(self, item);
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.texts.insert(text.value());
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
