//! Worlds made at random, each from its seed: units that merge and split, indicators, kpis and
//! figures.

use std::collections::BTreeMap;

use super::{Dimension, Expr, Indicator, Kind, Kpi, Members, Month, Unit, World, exists, place};

/// A small random generator with a seed: splitmix64.
struct Random(u64);

impl Random {
    /// The next number.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("it fits")
    }

    /// True in `percent` of a hundred cases.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of several things.
    fn pick<'a, T>(&mut self, things: &'a [T]) -> &'a T {
        &things[self.below(things.len())]
    }
}

/// The first month of a random world: June 2020.
pub const FIRST: Month = 2020 * 12 + 5;
/// The last month of a random world: November 2022.
pub const LAST: Month = FIRST + 29;
/// Most units of a random world.
const MOST_UNITS: usize = 14;
/// Most units of a random world with a long past.
const MOST_UNITS_WITH_PAST: usize = 20;

/// Short form for formulas: a measure with members.
fn of(indicator: &str, members: &[(&str, Option<&str>)]) -> Box<Expr> {
    let member = |(dimension, member): &(&str, Option<&str>)| {
        ((*dimension).to_owned(), member.map(str::to_owned))
    };
    let members = members.iter().map(member).collect();
    Box::new(Expr::Measure { indicator: indicator.to_owned(), members, prev: false })
}

/// Short form for formulas: `prev()` of an indicator.
fn prev(indicator: &str) -> Box<Expr> {
    Box::new(Expr::Measure { indicator: indicator.to_owned(), members: vec![], prev: true })
}

/// Short form for a dimension.
fn dimension(
    code: &str,
    members: [&str; 2],
    complete: bool,
    within: Option<(&str, &str)>,
) -> Dimension {
    let within = within.map(|(host, member)| (host.to_owned(), member.to_owned()));
    Dimension {
        code: code.to_owned(),
        members: members.map(str::to_owned).to_vec(),
        complete,
        within,
        dates: BTreeMap::new(),
    }
}

/// A complete dimension with a member that begins and a member that ends within the months of the
/// worlds.
fn dated_dimension() -> Dimension {
    let begins = ("post".to_owned(), (Some(FIRST + 12), None));
    let ends = ("fax".to_owned(), (None, Some(FIRST + 20)));
    Dimension {
        code: "way".to_owned(),
        members: ["counter", "post", "fax"].map(str::to_owned).to_vec(),
        complete: true,
        within: None,
        dates: BTreeMap::from([begins, ends]),
    }
}

/// Short form for an indicator without breaks.
fn indicator(code: &str, kind: Kind, decimals: u32, dimensions: Vec<Dimension>) -> Indicator {
    Indicator { code: code.to_owned(), kind, decimals, percent: false, dimensions, breaks: vec![] }
}

/// The indicators of every random world, all without decimals and breaks.
pub(super) fn some_indicators() -> Vec<Indicator> {
    let channel = || dimension("channel", ["in_person", "online"], true, None);
    let level = || dimension("level", ["three", "four"], true, None);
    let holder = || dimension("holder", ["individual", "organisation"], false, None);
    let token = || dimension("token", ["usb", "sim"], true, Some(("holder", "individual")));
    vec![
        indicator("test.flow.a", Kind::Flow, 0, vec![]),
        indicator("test.flow.b", Kind::Flow, 0, vec![]),
        indicator("test.flow.split", Kind::Flow, 0, vec![channel(), level()]),
        indicator("test.flow.subset", Kind::Flow, 0, vec![holder(), token()]),
        indicator("test.stock.a", Kind::Stock, 0, vec![]),
        indicator("test.stock.split", Kind::Stock, 0, vec![channel()]),
        indicator("test.flow.dated", Kind::Flow, 0, vec![dated_dimension(), level()]),
        indicator("test.average", Kind::Average, 0, vec![]),
    ]
}

/// The kpis of every random world.
pub(super) fn some_kpis() -> Vec<Kpi> {
    let (a, b) = (|| of("test.flow.a", &[]), || of("test.flow.b", &[]));
    let (stock, split, average) =
        (|| of("test.stock.a", &[]), || of("test.stock.split", &[]), || of("test.average", &[]));
    let online = of("test.flow.split", &[("channel", Some("online")), ("level", None)]);
    let weighted = |x: Box<Expr>| Box::new(Expr::Sum(Box::new(Expr::Mul(x, average()))));
    let or_zero = |x: Box<Expr>| Box::new(Expr::Coalesce(x, Box::new(Expr::Number(0.0))));
    let filled = or_zero(a());
    let largest = Box::new(Expr::Max(vec![*a(), *b()]));
    [
        ("test.kpi.rate", true, Expr::Div(a(), b())),
        ("test.kpi.share", true, Expr::Div(split(), stock())),
        ("test.kpi.load", false, Expr::Div(a(), stock())),
        ("test.kpi.growth", false, Expr::Sub(stock(), prev("test.stock.a"))),
        ("test.kpi.filled", false, Expr::Add(filled.clone(), b())),
        ("test.kpi.flow_growth", false, Expr::Sub(a(), prev("test.flow.a"))),
        ("test.kpi.either", false, Expr::Add(filled, or_zero(b()))),
        (
            "test.kpi.since",
            false,
            Expr::Sub(
                Box::new(Expr::Sum(Box::new(Expr::Add(or_zero(a()), or_zero(average()))))),
                or_zero(prev("test.stock.a")),
            ),
        ),
        ("test.kpi.dated", true, Expr::Div(of("test.flow.dated", &[]), b())),
        ("test.kpi.online", true, Expr::Div(online, of("test.flow.split", &[("level", None)]))),
        ("test.kpi.minutes", false, *weighted(a())),
        ("test.kpi.weighted", false, Expr::Div(weighted(stock()), stock())),
        (
            "test.kpi.extreme",
            false,
            Expr::Sub(largest, Box::new(Expr::Abs(of("test.flow.split", &[])))),
        ),
    ]
    .map(|(code, percent, formula)| Kpi { code: code.to_owned(), percent, formula })
    .to_vec()
}

/// Random units with their history.
struct Forest {
    units: Vec<Unit>,
    random: Random,
    /// The largest number of units.
    most: usize,
}

impl Forest {
    /// Adds a unit that exists from a month.
    fn add(&mut self, parent: Option<String>, from: Option<Month>) -> String {
        let code = format!("u{}", self.units.len() + 1);
        self.units.push(Unit {
            code: code.clone(),
            parent,
            exists_from: from,
            exists_to: None,
            successors: vec![],
            shares: BTreeMap::new(),
        });
        code
    }

    /// The level of a unit, 1 for a root.
    fn level(&self, code: &str) -> usize {
        let unit = self.units.iter().find(|unit| unit.code == code).expect("a known unit");
        1 + unit.parent.as_ref().map_or(0, |parent| self.level(parent))
    }

    /// The units that exist in a month and do not end, with or without children.
    fn alive(&self, month: Month, with_children: bool) -> Vec<Unit> {
        let alive = |unit: &Unit| exists(unit, month) && unit.exists_to.is_none();
        let parent = |unit: &Unit| {
            self.units.iter().any(|u| alive(u) && u.parent.as_ref() == Some(&unit.code))
        };
        self.units
            .iter()
            .filter(|unit| alive(unit) && parent(unit) == with_children)
            .cloned()
            .collect()
    }

    /// Ends some units at a month.
    fn end(&mut self, codes: &[String], month: Month, successors: &[String]) {
        for unit in self.units.iter_mut().filter(|unit| codes.contains(&unit.code)) {
            unit.exists_to = Some(month);
            unit.successors = successors.to_vec();
        }
    }

    /// Makes a random change to the units at the end of a month.
    fn happen(&mut self, month: Month) {
        let (leaves, hosts) = (self.alive(month, false), self.alive(month, true));
        let everybody: Vec<Unit> = leaves.iter().chain(&hosts).cloned().collect();
        if leaves.is_empty() || self.units.len() + 2 > self.most {
            return;
        }
        let leaf = self.random.pick(&leaves).clone();
        let parent_lives = leaf.parent.is_none()
            || hosts.iter().any(|unit| Some(&unit.code) == leaf.parent.as_ref());
        let next = Some(month + 1);
        match self.random.below(100) {
            // A merge: two or three leaves, mostly of one parent, end and are continued by a new
            // unit or by one of them.
            // one of them.
            0..50 if parent_lives => {
                let across = self.random.chance(20);
                let others = leaves
                    .iter()
                    .filter(|u| u.code != leaf.code && (across || u.parent == leaf.parent));
                let mut others: Vec<String> = others.map(|unit| unit.code.clone()).collect();
                let mut merged = vec![leaf.code.clone()];
                for _ in 0..=usize::from(self.random.chance(30)) {
                    if !others.is_empty() {
                        let at = self.random.below(others.len());
                        merged.push(others.remove(at));
                    }
                }
                if merged.len() > 1 && self.random.chance(20) {
                    let stays = merged.remove(0);
                    self.end(&merged, month, &[stays]);
                } else if merged.len() > 1 {
                    let new = self.add(leaf.parent, next);
                    self.end(&merged, month, &[new]);
                }
            }
            // An end without successor.
            50..60 => self.end(&[leaf.code], month, &[]),
            // A new unit without predecessor.
            60..75 => {
                let parent = self.random.pick(&everybody).code.clone();
                if self.level(&parent) < 4 {
                    self.add(Some(parent), next);
                }
            }
            // A split.
            75..85 if parent_lives => {
                let new = [self.add(leaf.parent.clone(), next), self.add(leaf.parent, next)];
                self.end(&[leaf.code], month, &new);
            }
            // A move below another parent.
            85..92 => {
                let parent = self.random.pick(&everybody).code.clone();
                if parent != leaf.code && self.level(&parent) < 4 {
                    let new = self.add(Some(parent), next);
                    self.end(&[leaf.code], month, &[new]);
                }
            }
            // A parent ends before its children, with or without a successor.
            92.. if !hosts.is_empty() => {
                let host = self.random.pick(&hosts).clone();
                let lives = host.parent.is_none()
                    || hosts.iter().any(|u| Some(&u.code) == host.parent.as_ref());
                let new = if lives && self.random.chance(50) {
                    vec![self.add(host.parent, next)]
                } else {
                    vec![]
                };
                self.end(&[host.code], month, &new);
            }
            _ => {}
        }
    }

    /// Makes a change that gives later units a past: chains of merges, and units that merge or
    /// split together with the units below them.
    fn grow_together(&mut self, month: Month) {
        match self.random.below(100) {
            0..30 => self.merge_newest(month),
            30..50 => self.merge_hosts(month),
            50..60 => self.split_host(month),
            _ => self.happen(month),
        }
    }

    /// Makes only merges.
    fn only_merge(&mut self, month: Month) {
        if self.random.chance(50) { self.merge_newest(month) } else { self.merge_hosts(month) }
    }

    /// Merges the newest leaf with a leaf beside it, which makes the next generation.
    fn merge_newest(&mut self, month: Month) {
        let leaves = self.alive(month, false);
        let Some(newest) = leaves.iter().max_by_key(|leaf| leaf.exists_from) else { return };
        let beside: Vec<&Unit> = leaves
            .iter()
            .filter(|leaf| leaf.parent == newest.parent && leaf.code != newest.code)
            .collect();
        if beside.is_empty()
            || !self.lives(newest.parent.as_ref(), month)
            || self.units.len() >= self.most
        {
            return;
        }
        let other = self.random.pick(&beside).code.clone();
        let new = self.add(newest.parent.clone(), Some(month + 1));
        self.end(&[newest.code.clone(), other], month, &[new]);
    }

    /// Merges two units with children, and moves their children below the new unit; some are merged
    /// with the child before them.
    fn merge_hosts(&mut self, month: Month) {
        let hosts = self.alive(month, true);
        let Some(one) = hosts.first().map(|_| self.random.pick(&hosts).clone()) else { return };
        let beside: Vec<&Unit> = hosts
            .iter()
            .filter(|host| host.parent == one.parent && host.code != one.code)
            .collect();
        if beside.is_empty()
            || !self.lives(one.parent.as_ref(), month)
            || self.units.len() + 6 > self.most
        {
            return;
        }
        let both = [one.code.clone(), self.random.pick(&beside).code.clone()];
        let new = self.add(one.parent, Some(month + 1));
        let mut last = None;
        for child in [self.below(&both[0], month), self.below(&both[1], month)].concat() {
            let together = self.random.chance(50);
            let heir = last
                .take()
                .filter(|_| together)
                .unwrap_or_else(|| self.add(Some(new.clone()), Some(month + 1)));
            self.end(&[child], month, std::slice::from_ref(&heir));
            last = Some(heir);
        }
        self.end(&both, month, &[new]);
    }

    /// Splits a unit with children in two, with each child below one of the parts.
    fn split_host(&mut self, month: Month) {
        let hosts = self.alive(month, true);
        let Some(host) = hosts.first().map(|_| self.random.pick(&hosts).clone()) else { return };
        if !self.lives(host.parent.as_ref(), month) || self.units.len() + 5 > self.most {
            return;
        }
        let new = [
            self.add(host.parent.clone(), Some(month + 1)),
            self.add(host.parent.clone(), Some(month + 1)),
        ];
        for child in self.below(&host.code, month) {
            let parent = self.random.pick(&new).clone();
            let heir = self.add(Some(parent), Some(month + 1));
            self.end(&[child], month, &[heir]);
        }
        self.end(&[host.code], month, &new);
    }

    /// Whether a parent, if there is one, has not ended.
    fn lives(&self, parent: Option<&String>, month: Month) -> bool {
        parent.is_none_or(|code| {
            self.units
                .iter()
                .any(|unit| unit.code == *code && exists(unit, month) && unit.exists_to.is_none())
        })
    }

    /// The children of a unit that have not ended.
    fn below(&self, host: &str, month: Month) -> Vec<String> {
        let alive = |unit: &&Unit| {
            unit.parent.as_deref() == Some(host) && exists(unit, month) && unit.exists_to.is_none()
        };
        self.units.iter().filter(alive).map(|unit| unit.code.clone()).collect()
    }

    /// Declares the shares of some units that were split.
    fn declare_shares(&mut self, random: &mut Random) {
        for unit in self.units.iter_mut().filter(|unit| unit.successors.len() == 2) {
            if random.chance(60) {
                let part = 1 + i64::from(place(random.below(99)));
                unit.shares = unit.successors.iter().cloned().zip([part, 100 - part]).collect();
            }
        }
    }
}

/// The sets of members for which a unit reports; each set is one figure.
fn manners(indicator: &Indicator, random: &mut Random) -> Vec<Members> {
    // All sets of members that the dimensions allow.
    let mut all = vec![Members::new()];
    for dimension in &indicator.dimensions {
        for named in all.clone() {
            if dimension
                .within
                .as_ref()
                .is_none_or(|(host, member)| named.get(host) == Some(member))
            {
                for member in &dimension.members {
                    let mut more = named.clone();
                    more.insert(dimension.code.clone(), member.clone());
                    all.push(more);
                }
            }
        }
    }
    let deepest = all.iter().map(Members::len).max().unwrap_or(0);
    match random.below(5) {
        0 => all.retain(|named| named.is_empty()),
        1 => all.retain(|named| named.len() == deepest),
        2 => all.retain(|named| named.len() <= 1),
        3 => all.retain(|named| named.len() == 1),
        _ => all.retain(|named| named.is_empty() || random.chance(60)),
    }
    all
}

/// A valid random world; the same seed gives the same world. It has up to 14 units with their
/// history, indicators of each kind, kpis, and thirty months of figures with gaps.
pub fn random_world(seed: u64) -> World {
    grown(seed, MOST_UNITS, 2, Forest::happen)
}

/// A random world with a longer past, with values in the units of a day within its months or after
/// them.
pub fn random_world_of_today(seed: u64) -> World {
    let mut random = Random(seed ^ 0x70_da_70_da);
    let mut world = if random.chance(30) {
        random_world(seed)
    } else {
        grown(seed, MOST_UNITS_WITH_PAST, 4, Forest::grow_together)
    };
    let inside = random.chance(40);
    world.today = Some(if inside {
        FIRST + 8 + place(random.below(22))
    } else {
        LAST + place(random.below(12))
    });
    world
}

/// A random world in which units only merge: leaves into a new unit, and units together with the
/// units below them. Values are in the units of a day after its months.
pub fn random_world_of_merges(seed: u64) -> World {
    World { today: Some(LAST + 1), ..grown(seed, MOST_UNITS_WITH_PAST, 6, Forest::only_merge) }
}

/// A random world of units that begin in one way and change by `happen`.
fn grown(seed: u64, most: usize, least_events: usize, happen: fn(&mut Forest, Month)) -> World {
    let mut forest = Forest { units: vec![], random: Random(seed), most };
    for _ in 0..=forest.random.below(3) {
        forest.add(None, None);
    }
    for _ in 0..3 + forest.random.below(6) {
        let parent = forest.random.pick(&forest.units).code.clone();
        if forest.level(&parent) < 4 {
            let from = forest.random.chance(10).then_some(FIRST);
            forest.add(Some(parent), from);
        }
    }
    let span = usize::try_from(LAST - FIRST).expect("a positive span");
    let mut events: Vec<Month> = (0..least_events + forest.random.below(7))
        .map(|_| FIRST + place(forest.random.below(span)))
        .collect();
    events.sort_unstable();
    for month in events {
        happen(&mut forest, month);
    }
    forest.declare_shares(&mut Random(seed ^ 0x5a_a2_e5));
    let Forest { units, random, .. } = forest;
    furnished(units, random)
}

/// Adds a catalogue and figures to units.
fn furnished(units: Vec<Unit>, mut random: Random) -> World {
    let span = usize::try_from(LAST - FIRST).expect("a positive span");
    let mut indicators = some_indicators();
    for indicator in &mut indicators {
        indicator.decimals = if random.chance(40) { 2 } else { 0 };
        indicator.percent = indicator.kind == Kind::Average && random.chance(30);
        if random.chance(20) {
            indicator.breaks.push(FIRST + place(random.below(span)));
        }
    }
    let (gaps, above, zeros) =
        (*random.pick(&[0, 3, 20]), *random.pick(&[0, 5, 30]), *random.pick(&[2, 10, 40]));
    let mut figures = BTreeMap::new();
    for unit in &units {
        let host = units.iter().any(|other| other.parent.as_ref() == Some(&unit.code));
        for indicator in &indicators {
            let silent = random.chance(if gaps == 0 { 2 } else { 10 });
            let states_above = random.chance(above);
            let figures_of_unit = manners(indicator, &mut random);
            for month in (FIRST..=LAST).filter(|month| exists(unit, *month)) {
                let parent = host
                    && units
                        .iter()
                        .any(|u| u.parent.as_ref() == Some(&unit.code) && exists(u, month));
                if (parent && !(states_above || random.chance(above / 5)))
                    || silent
                    || random.chance(gaps)
                {
                    continue;
                }
                for members in &figures_of_unit {
                    // A member is rarely reported outside its dates.
                    let outside = |dimension: &Dimension| {
                        let member = members.get(&dimension.code);
                        member.is_some_and(|member| !dimension.has_member_in(member, month))
                    };
                    if indicator.dimensions.iter().any(outside) && random.chance(85) {
                        continue;
                    }
                    let most = if indicator.decimals == 0 { 300 } else { 30_000 };
                    let figure =
                        if random.chance(zeros) { 0 } else { 1 + place(random.below(most)) };
                    if !random.chance(gaps / 4) {
                        let key =
                            (indicator.code.clone(), members.clone(), unit.code.clone(), month);
                        figures.insert(key, i64::from(figure));
                    }
                }
            }
        }
    }
    let not_applicable = BTreeMap::new();
    let mut world =
        World { units, indicators, kpis: some_kpis(), figures, not_applicable, today: None };
    if random.chance(50) {
        for key in world.figures.keys().cloned().collect::<Vec<_>>() {
            let leaf = |unit: &Unit| world.children(unit, key.3).is_empty();
            if random.chance(10) && world.unit(&key.2).is_some_and(leaf) {
                world.figures.remove(&key);
                world.put_not_applicable(key);
            }
        }
    }
    world
}
