//! The figures of one measure, now or right after an earlier revision.

use std::sync::{Arc, OnceLock};

use imbl::Vector;

use super::block::{BLOCK_UNITS, FigureBlock, ReplacedFigure, block_of};
use crate::period::Month;
use crate::unit::UnitPosition;

/// The figures of one measure.
#[derive(Clone, Debug, Default)]
pub(super) struct FigureColumn {
    pub(super) decimals: u32,
    /// The number of figures that do not apply.
    pub(super) not_applicable: usize,
    /// Whether any figure ever did not apply.
    pub(super) ever_not_applicable: bool,
    /// Whether the column is that of an earlier revision, so that nobody has counted its figures.
    pub(super) is_past: bool,
    /// The blocks in order of their units.
    pub(super) blocks: Vec<ColumnBlock>,
}

/// A block in its column, with its past.
#[derive(Clone, Debug, Default)]
pub(super) struct ColumnBlock {
    /// Its current cells, if there are any, also in a block of an earlier revision.
    cells: Option<Arc<FigureBlock>>,
    /// The cells of an earlier revision, if they differ from `cells`.
    past: Option<Arc<PastBlock>>,
    /// The newest revision that recorded or withdrew a figure of it.
    pub(super) newest: u32,
    /// What revisions replaced, in their order.
    pub(super) replaced: Vector<ReplacedFigure>,
}

/// The cells of a block right after an earlier revision, which are found when they are first read.
#[derive(Debug)]
struct PastBlock {
    now: Arc<FigureBlock>,
    replaced: Vector<ReplacedFigure>,
    revision: u32,
    found: OnceLock<Option<FigureBlock>>,
}

impl PastBlock {
    fn get(&self) -> Option<&FigureBlock> {
        self.found.get_or_init(|| self.now.before(&self.replaced, self.revision)).as_ref()
    }
}

impl ColumnBlock {
    /// The cells, if there are any.
    pub(super) fn get(&self) -> Option<&FigureBlock> {
        match &self.past {
            None => self.cells.as_deref(),
            Some(past) => past.get(),
        }
    }

    /// The cells to change: a copy of them, while a clone of the block holds them.
    pub(super) fn make_mut(&mut self) -> &mut FigureBlock {
        if let Some(past) = self.past.take() {
            self.cells = past.get().cloned().map(Arc::new);
        }
        Arc::make_mut(self.cells.get_or_insert_default())
    }

    /// Bytes of memory that the block takes as it was right after a revision. If it has changed
    /// since, it keeps the cells from which those of the revision are found.
    fn bytes_before(&self, revision: u32) -> usize {
        let bytes = self.widest().map_or(0, FigureBlock::bytes);
        if self.past.is_some() || self.newest > revision { 2 * bytes } else { bytes }
    }

    /// Cells of at least as many months, without finding those of an earlier revision.
    pub(super) fn widest(&self) -> Option<&FigureBlock> {
        self.cells.as_deref()
    }

    /// The block as it was right after a revision.
    fn before(&self, revision: u32) -> Self {
        let past = self.cells.as_ref().filter(|_| self.newest > revision).map(|now| {
            Arc::new(PastBlock {
                now: Arc::clone(now),
                replaced: self.replaced.clone(),
                revision,
                found: OnceLock::new(),
            })
        });
        Self {
            cells: self.cells.clone(),
            past,
            newest: self.newest.min(revision),
            replaced: Vector::new(),
        }
    }

    /// Forgets what was replaced up to a revision, and returns how much that was.
    pub(super) fn forget(&mut self, revision: u32) -> usize {
        let is_old = |figure: &ReplacedFigure| figure.revision <= revision;
        let old = self.replaced.iter().take_while(|figure| is_old(figure)).count();
        self.replaced = self.replaced.skip(old);
        old
    }
}

impl FigureColumn {
    /// The block of a unit, which may be new.
    pub(super) fn block_mut(&mut self, unit: UnitPosition) -> Option<&mut ColumnBlock> {
        let number = block_of(unit);
        if number >= self.blocks.len() {
            self.blocks.resize_with(number + 1, ColumnBlock::default);
        }
        self.blocks.get_mut(number)
    }

    /// All blocks with cells, each with the position of its first unit.
    pub(super) fn filled(&self) -> impl Iterator<Item = (UnitPosition, &FigureBlock)> {
        let first = |number: usize| UnitPosition::new(number * BLOCK_UNITS);
        let blocks = self.blocks.iter().enumerate();
        blocks.filter_map(move |(number, block)| Some((first(number), block.get()?)))
    }

    /// The first and last month that may have figures.
    pub(super) fn span(&self) -> Option<(Month, Month)> {
        let blocks = self.blocks.iter().filter_map(ColumnBlock::widest);
        let spans = blocks.filter(|block| block.months > 0).map(|block| (block.first, block.end()));
        let (first, end) =
            spans.reduce(|(first, end), (from, to)| (first.min(from), end.max(to)))?;
        Some((Month::from_number(first)?, Month::from_number(end - 1)?))
    }

    /// The units and months with a figure that was recorded or withdrawn after a revision.
    pub(super) fn changed_after(
        &self,
        revision: u32,
    ) -> impl Iterator<Item = (UnitPosition, Month)> + '_ {
        let changed = self.blocks.iter().enumerate().filter(move |(_, b)| b.newest > revision);
        let filled = changed.filter_map(|(number, block)| Some((number, block.get()?)));
        filled.flat_map(move |(number, block)| {
            let places = block.places_after(revision).into_iter();
            places.filter_map(move |place| {
                let (row, month) = block.row_and_month(place)?;
                Some((UnitPosition::new(number * BLOCK_UNITS + row), month))
            })
        })
    }

    /// Bytes of memory of its blocks.
    pub(super) fn bytes(&self) -> usize {
        self.bytes_before(u32::MAX)
    }

    /// Bytes of memory of its blocks as they were right after a revision, at most.
    pub(super) fn bytes_before(&self, revision: u32) -> usize {
        self.blocks.iter().map(|block| block.bytes_before(revision)).sum()
    }

    /// The number of blocks that a later revision than this one changed.
    pub(super) fn changed_blocks(&self, revision: u32) -> usize {
        self.blocks.iter().filter(|block| block.newest > revision).count()
    }

    /// The column as it was right after a revision. A block is only found when it is first read.
    pub(super) fn before(&self, revision: u32) -> Self {
        Self {
            is_past: true,
            blocks: self.blocks.iter().map(|block| block.before(revision)).collect(),
            ..*self
        }
    }
}
