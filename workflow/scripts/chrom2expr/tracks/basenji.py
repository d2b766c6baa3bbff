"""Basenji's preprocessed data: which sequences there are, in which record of which file, and what was measured there.

A folder as calico/basenji's bin/basenji_data.py writes it: `sequences.bed` (chrom, start, end, fold), whose rows are
`seq_length` bp each; `tfrecords/FOLD-N.tfr`, a record a row, the rows of a fold in their order, equally many a file;
`targets.txt`, the table of tracks; `statistics.json`, the sizes. A record holds `sequence`, the row's bases one-hot
(base, 4) uint8, N as zeros, and `target` (bin, track), float16 or float32: clipped and scaled values of the
`target_length` bins of `pool_width` bp in the middle of the row, `crop_bp` from its ends.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from chrom2expr.errors import InputError, reading
from chrom2expr.files.csv_rows import open_text
from chrom2expr.files.whole import sha256
from chrom2expr.genome.bed import fields_of
from chrom2expr.genome.contigs import called, say_renamed
from chrom2expr.genome.sequences import Genome
from chrom2expr.tracks import tfrecords
from chrom2expr.tracks.track_tables import read_tracks

# What Basenji writes to a file unless it is told otherwise, which statistics.json does not say.
ROWS_A_FILE = 256
# Bytes of a record beside the two arrays: names and lengths.
_AROUND = 1 << 12
# One base's four bytes as one number, by the code of windows.encode; N has no byte set.
_ONE_HOT = np.array([1, 1 << 8, 1 << 16, 1 << 24, 0], dtype="<u4")


class RecordFile(NamedTuple):
    """A file of records, and the rows of sequences.bed that they belong to, in order."""

    path: Path
    rows: np.ndarray


class DataSet:
    """A folder of preprocessed data of a genome; records are read by `read`.

    chrom, start: (row,), where the first bin of each row begins, 0-based, contigs called as in the genome; bins: of a
    row; bin_size in bp; tracks: as of track_tables.read_tracks, and track_id (track,); files: all of them, fold by
    fold; digest: SHA-256 of sequences.bed.

    Raises InputError if a part is missing, does not have its form, or contradicts another or the genome.
    """

    def __init__(self, folder: str | Path, genome: Genome) -> None:
        self.folder, self._genome = Path(folder), genome
        self._bed, self._statistics = self.folder / "sequences.bed", self.folder / "statistics.json"
        for path in (self._bed, self._statistics, self.folder / "targets.txt", self.folder / "tfrecords"):
            if not path.exists():
                raise InputError(
                    f"{path}: is not there; the folder of Basenji's data has tfrecords/, sequences.bed, targets.txt "
                    "and statistics.json"
                )
        with reading(self._statistics, "JSON file", "get it again"):
            numbers = json.loads(self._statistics.read_text(encoding="utf-8"))
        self._sequence_length, self.bin_size, self.bins = (
            self._number(numbers, name) for name in ("seq_length", "pool_width", "target_length")
        )
        spare = self._sequence_length - self.bins * self.bin_size
        if spare < 0 or spare % 2 or spare != 2 * numbers.get("crop_bp", spare // 2):
            raise InputError(
                f"{self._statistics}: {self.bins} bins (target_length) of {self.bin_size} bp (pool_width) are not the "
                f"middle of {self._sequence_length} bp (seq_length) less crop_bp on either side"
            )
        self._crop = spare // 2
        self.tracks = read_tracks(self.folder / "targets.txt")
        self.track_id = self.tracks["track_id"].to_numpy(dtype=str)
        if len(self.track_id) != self._number(numbers, "num_targets"):
            raise InputError(
                f"{self.folder / 'targets.txt'}: {len(self.track_id):,} tracks, but num_targets in {self._statistics} "
                f"is {numbers['num_targets']:,}"
            )
        self.chrom, self.start, self._lines, folds = self._read_rows()
        self._place()
        self.files = self._deal_out(folds, numbers)
        self.digest = sha256(self._bed)

    def _number(self, numbers: Any, name: str) -> int:
        """A size that statistics.json gives."""
        found = numbers.get(name) if isinstance(numbers, dict) else None
        if not isinstance(found, int) or found < 1:
            raise InputError(f"{self._statistics}: {name} is {found}, but must be a whole number above 0")
        return found

    def _read_rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """chrom, start of the first bin, line (1-based) and fold of each row, (row,)."""
        rows = []
        with open_text(self._bed, "a BED") as handle:
            for line, text in enumerate(handle, start=1):
                if not (fields := fields_of(text)):
                    continue
                where = f"{self._bed}, line {line}"
                if len(fields) < 4:
                    raise InputError(f"{where}: {len(fields)} columns; it has four, chrom, start, end, fold")
                chrom, start, end, fold = fields[:4]
                # Sequences may reach past a contig's ends, and then begin below 0.
                whole = all(re.fullmatch(r"-?[0-9]+", text) for text in (start, end))
                if not whole or int(end) - int(start) != self._sequence_length:
                    raise InputError(
                        f"{where}: from {start} to {end} are not the {self._sequence_length:,} bp (seq_length) of a "
                        "sequence"
                    )
                rows.append((chrom, int(start) + self._crop, line, fold))
        if not rows:
            raise InputError(f"{self._bed}: holds no sequences")
        chrom, start, lines, folds = zip(*rows)
        return np.array(chrom), np.array(start), np.array(lines), np.array(folds)

    def _place(self) -> None:
        """Call contigs as the genome does; InputError for a row on one that it does not have."""
        names = np.unique(self.chrom).tolist()
        contigs = called(names, self._genome.contigs)
        say_renamed({theirs: ours for ours, theirs in contigs.items()}, str(self._bed))
        absent = np.flatnonzero(~np.isin(self.chrom, list(contigs)))
        if len(absent):
            raise InputError(
                f"{self._bed}, line {self._lines[absent[0]]}: {self._genome.fasta} has no {self.chrom[absent[0]]}, so "
                "that records cannot be compared with it; use a FASTA that has it"
            )
        self.chrom = np.array([contigs[name] for name in self.chrom.tolist()])

    def _deal_out(self, folds: np.ndarray, numbers: Mapping[str, Any]) -> list[RecordFile]:
        """The files with their rows; InputError unless exactly these are there."""
        size = self._number(numbers, "seqs_per_tfr") if "seqs_per_tfr" in numbers else ROWS_A_FILE
        files = []
        for fold in dict.fromkeys(folds.tolist()):
            rows = np.flatnonzero(folds == fold)
            if numbers.get(f"{fold}_seqs", len(rows)) != len(rows):
                raise InputError(
                    f"{self._bed}: {len(rows):,} rows of the fold {fold}, but {fold}_seqs in {self._statistics} is "
                    f"{numbers[f'{fold}_seqs']:,}"
                )
            own = [rows[first : first + size] for first in range(0, len(rows), size)]
            files += [RecordFile(self._file(fold, number), part) for number, part in enumerate(own)]
            missing = [file.path.name for file in files[-len(own) :] if not file.path.is_file()]
            if missing or self._file(fold, len(own)).exists():
                told = "as seqs_per_tfr says" if "seqs_per_tfr" in numbers else "as is Basenji's default"
                raise InputError(
                    f"{self.folder / 'tfrecords'}: the {len(rows):,} rows of the fold {fold} in {self._bed}, {size} a "
                    f"file, {told}, are {len(own)} files {fold}-N.tfr, but "
                    + (f"{missing[0]} is not there ({len(missing)} are not)" if missing else "there are more")
                    + f"; get all of them, or correct seqs_per_tfr in {self._statistics}"
                )
        return files

    def _file(self, fold: str, number: int) -> Path:
        return self.folder / "tfrecords" / f"{fold}-{number}.tfr"

    def read(self, file: RecordFile) -> Iterator[tuple[int, np.ndarray]]:
        """(row, target) of each record of a file, the target (bin, track) float16 or float32; it holds until the next.

        Raises InputError, naming file, record and row, for a record that is damaged, whose bases are not the genome's
        at its row, or whose target has another size; and if there are more records or fewer than rows.
        """
        largest = 4 * (self._sequence_length + self.bins * len(self.track_id)) + _AROUND
        number = 0
        for number, record in enumerate(tfrecords.records(file.path, largest), start=1):
            where = f"{file.path}, record {number}"
            if number > len(file.rows):
                raise InputError(f"{where}: {self._bed} has only {len(file.rows):,} rows for this file")
            row = int(file.rows[number - 1])
            try:
                features = tfrecords.features(record)
            except ValueError as error:
                raise InputError(f"{where}: no tf.train.Example ({error}); get the file again") from None
            if missing := {"sequence", "target"} - features.keys():
                raise InputError(f"{where}: holds no {' and no '.join(sorted(missing))}; is it one of Basenji's files?")
            self._check_bases(features["sequence"], row, where)
            yield row, self._target(features["target"], where)
        if number < len(file.rows):
            raise InputError(
                f"{file.path}: {number:,} records, but {self._bed} has {len(file.rows):,} rows for them; get the file "
                "again"
            )

    def _check_bases(self, sequence: memoryview, row: int, where: str) -> None:
        """Raise InputError unless a record's one-hot bases are those of the genome at its row."""
        length, chrom, start = self._sequence_length, str(self.chrom[row]), int(self.start[row]) - self._crop
        if len(sequence) != 4 * length:
            raise InputError(
                f"{where}: {len(sequence):,} bytes of sequence, but {length:,} bases (seq_length), one-hot, are "
                f"{4 * length:,}"
            )
        expected = _ONE_HOT[self._genome.encoded(chrom, start, start + length)]
        wrong = np.flatnonzero(np.frombuffer(sequence, dtype="<u4") != expected)
        if len(wrong):
            raise InputError(
                f"{where}: {len(wrong):,} of its {length:,} bases are not those of {self._genome.fasta} where "
                f"{self._bed}, line {self._lines[row]}, puts it, the first at {chrom}:{start + wrong[0] + 1:,} "
                "(1-based); the FASTA is of another assembly, or records and rows are of different data sets"
            )

    def _target(self, target: memoryview, where: str) -> np.ndarray:
        """A record's target (bin, track), whose type its size tells."""
        values = self.bins * len(self.track_id)
        kinds = {2 * values: "<f2", 4 * values: "<f4"}
        if len(target) not in kinds:
            raise InputError(
                f"{where}: {len(target):,} bytes of target, but {self.bins:,} bins (statistics.json) of "
                f"{len(self.track_id):,} tracks (targets.txt) are {2 * values:,} as float16 and {4 * values:,} as "
                "float32"
            )
        return np.frombuffer(target, dtype=kinds[len(target)]).reshape(self.bins, -1)
