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
    /// Names that it only passes on.
    passed: BTreeSet<Vec<String>>,
    texts: BTreeSet<String>,
    /// Whether it asks which format something is of.
    asks_for_format: bool,
}

impl Sources {
    /// Parses files; `paths` are those below `src/`, beside their text. Test modules are not read.
    pub(crate) fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Sources {
        let parse = |(path, text): (&str, &str)| {
            let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
            let mut names = Names::default();
            names.visit_file(&parsed);
            let Names { defines, aliases, globs, uses, passed, texts, asks_for_format, .. } = names;
            let path_of = path.to_owned();
            let file = File { path: path_of, defines, aliases, globs, uses, passed, texts, asks_for_format };
            (module(path), file)
        };
        Sources { modules: files.into_iter().map(parse).collect() }
    }

    /// The texts that stand in the code of each file, but for comments and attributes.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.modules.values().map(|file| (file.path.as_str(), &file.texts))
    }

    /// The files in which it is compared of which format something is, or which name a module of one.
    pub(crate) fn that_ask_for_formats(&self) -> Vec<&str> {
        const MODULES: [&str; 4] = ["n5", "ome", "precomputed", "zarr"];
        let is_of_one = |path: &Vec<String>| {
            path.windows(2).any(|pair| pair[0] == "format" && MODULES.contains(&pair[1].as_str()))
        };
        let files = self.modules.values();
        let asks = |file: &&File| file.asks_for_format || file.uses.iter().chain(&file.passed).any(is_of_one);
        files.filter(asks).map(|file| file.path.as_str()).collect()
    }

    /// Every import of one file from another, each once.
    pub(crate) fn imports(&self) -> BTreeSet<Import> {
        self.found(|file| &file.uses)
    }

    /// What one file passes on of another.
    pub(crate) fn passed(&self) -> BTreeSet<Import> {
        self.found(|file| &file.passed)
    }

    fn found(&self, paths: impl Fn(&File) -> &BTreeSet<Vec<String>>) -> BTreeSet<Import> {
        let mut imports = BTreeSet::new();
        for (module, file) in &self.modules {
            for path in paths(file) {
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

/// The paths of other crates that the code of a file names, but for its tests, and whether it is asynchronous.
pub(crate) fn named(text: &str) -> (BTreeSet<Vec<String>>, bool) {
    let mut names = Names::default();
    names.visit_file(&syn::parse_file(text).unwrap());
    let Names { aliases, globs, uses, passed, is_async, .. } = names;
    let full = |path: Vec<String>| match path.first().and_then(|first| aliases.get(first)) {
        Some(alias) => [alias, &path[1..]].concat(),
        None => path,
    };
    (uses.into_iter().chain(passed).chain(globs).map(full).collect(), is_async)
}

/// Collects the names of a file.
#[derive(Default)]
struct Names {
    defines: BTreeSet<String>,
    aliases: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    uses: BTreeSet<Vec<String>>,
    passed: BTreeSet<Vec<String>>,
    texts: BTreeSet<String>,
    is_async: bool,
    asks_for_format: bool,
    /// How many modules within the file are around what is visited.
    depth: usize,
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
            syn::UseTree::Glob(_) => self.globs.push(self.as_in_file(before.to_vec())),
        }
    }

    fn alias(&mut self, name: String, path: Vec<String>, is_public: bool) {
        let path = self.as_in_file(path);
        // What is only passed on is no use.
        let into = if is_public { &mut self.passed } else { &mut self.uses };
        into.insert(path.clone());
        // A name of a module within the file is brought in from the file itself.
        if path != [name.clone()] || self.depth == 0 {
            self.aliases.insert(name, path);
        }
    }

    /// A path as the file's own module has it: one of a module within leads out of that first.
    fn as_in_file(&self, path: Vec<String>) -> Vec<String> {
        let within = match path.first().map(String::as_str) {
            Some("self") if self.depth > 0 => 1,
            _ => path.iter().take(self.depth).take_while(|part| *part == "super").count(),
        };
        path[within..].to_vec()
    }

    fn used(&mut self, path: Vec<String>) {
        let path = self.as_in_file(path);
        self.uses.insert(path);
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
                        self.used(std::mem::take(&mut path));
                    }
                    self.is_async |= name == "async";
                    path.push(name.to_string());
                    colons = 0;
                }
                other => {
                    self.used(std::mem::take(&mut path));
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
        self.used(path);
    }
}

/// Whether an expression is the name of the format of something.
fn is_format(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::MethodCall(call) => call.method == "format" && call.args.is_empty(),
        syn::Expr::Reference(inner) => is_format(&inner.expr),
        syn::Expr::Unary(inner) => is_format(&inner.expr),
        syn::Expr::Paren(inner) => is_format(&inner.expr),
        _ => false,
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
            Item::Use(item) if is_test(&item.attrs) => return,
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
        let depth = self.depth;
        self.depth += usize::from(matches!(item, Item::Mod(_)));
        syn::visit::visit_item(self, item);
        self.depth = depth;
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_test(&item.attrs) {
            syn::visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.is_async |= signature.asyncness.is_some();
        syn::visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast syn::ExprAsync) {
        self.is_async = true;
        syn::visit::visit_expr_async(self, block);
    }

    fn visit_expr_closure(&mut self, closure: &'ast syn::ExprClosure) {
        self.is_async |= closure.asyncness.is_some();
        syn::visit::visit_expr_closure(self, closure);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        let compares = matches!(binary.op, syn::BinOp::Eq(_) | syn::BinOp::Ne(_));
        self.asks_for_format |= compares && (is_format(&binary.left) || is_format(&binary.right));
        syn::visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_match(&mut self, matched: &'ast syn::ExprMatch) {
        self.asks_for_format |= is_format(&matched.expr);
        syn::visit::visit_expr_match(self, matched);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.used(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
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
