"""Computes one shard: its blocks of predictions, or, once all predictions are there, of explanations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auditor import resuming, run_places
from auditor.aborted_runs import kept_or_discarded
from auditor.config import AuditConfig
from auditor.engines.same_audit import require_same_audit
from auditor.engines.shard import SHARD, Phase, Shard, ShardRecord, read_record, write_record
from auditor.errors import DataError, OutputExistsError
from auditor.file_system import real_path
from auditor.manifest import write_manifest
from auditor.model_opening import OpenedModel
from auditor.own_files import remove_own
from auditor.phrasing import shown_names
from auditor.preparation import Prepared, prepare
from auditor.progress import Progress
from auditor.resume_state import read_state, row_hashes, state_of
from auditor.run_files import require_regular
from auditor.run_folder import PREDICTIONS, RunFolder
from auditor.selected_samples import select_from
from auditor.stages.choose_thresholds import open_with_thresholds
from auditor.stages.explain import explain_blocks
from auditor.stages.explained_blocks import blocks_of as explained_blocks_of
from auditor.stages.predict import predict_blocks
from auditor.stages.predicted_blocks import blocks_of as predicted_blocks_of
from auditor.stages.predicted_blocks import complete_blocks, unpredicted_images


@dataclass(frozen=True)
class Task:
    """An audit with its model, and which shard of it is computed.

    Attributes:
        prepared: the audit.
        opened: its model.
        out: the folder of the finished run.
        shard: which shard.
        progress: display of the progress.
    """

    prepared: Prepared
    opened: OpenedModel
    out: Path
    shard: Shard
    progress: Progress

    @classmethod
    def open(cls, config: AuditConfig, out: Path, shard: Shard, progress: Progress) -> Task:
        """Opens data and model; see `run_shard`."""
        prepared, opened = open_with_thresholds(prepare(config))
        opened.model.say = progress.message
        return cls(prepared, opened, real_path(out), shard, progress)

    @property
    def unfinished(self) -> RunFolder:
        """The folder in which `auditor merge` joins the shards."""
        return RunFolder(run_places.unfinished_place(self.out), self.out)

    @property
    def all_predicted(self) -> bool:
        """Whether the shards of predictions are merged."""
        if not (self.unfinished.path / PREDICTIONS).is_file():
            return False
        require_regular(self.unfinished.path)
        n_samples = len(self.prepared.dataset)
        done = complete_blocks(self.unfinished.path / "predictions", n_samples)
        return len(done) == len(predicted_blocks_of(n_samples))

    def compute(self, phase: Phase, *, resume: bool) -> RunFolder:
        """Computes the blocks of a shard that are not complete yet, and moves it to its place.

        Args:
            phase: what its blocks contain.
            resume: whether to continue a shard that was interrupted.
        """
        final = self.shard.place(self.out, phase)
        if resume and (final / SHARD).is_file():
            return self._finished(final, phase)
        folder = resuming.begin(
            self.prepared,
            self.opened,
            final,
            overwrite=False,
            resume=resume,
            progress=self.progress,
        )
        with kept_or_discarded(folder), shown_names(self.prepared.config.display_names):
            for note in folder.notes:
                self.progress.message(note)
            n_blocks = self._predict(folder) if phase == "predict" else self._explain(folder)
            record = ShardRecord(
                phase=phase, number=self.shard.number, count=self.shard.count, n_blocks=n_blocks
            )
            write_record(record, folder.path)
            write_manifest(folder.path)
            run_places.publish(folder.path, final, overwrite=False)
        folder.release()
        return RunFolder(final, final)

    def _finished(self, final: Path, phase: Phase) -> RunFolder:
        record = read_record(final)
        if (record.phase, record.shard) != (phase, self.shard):
            raise DataError(
                f"{final}: expected shard {self.shard} of stage {phase}; it is shard {record.shard} of "
                f"{record.phase}: rename it back, or choose another folder with --out"
            )
        folder = RunFolder(final, final)
        self._require_same(folder)
        self.progress.message(f"{final}: the shard is finished; there is nothing to resume")
        return folder

    def _require_same(self, folder: RunFolder) -> None:
        """Makes sure that the blocks in a folder are of this audit; `--resume` of the run compares images."""
        require_same_audit(
            folder.path,
            read_state(folder),
            (state_of(self.prepared, self.opened), row_hashes(self.prepared, self.opened)),
        )

    def _predict(self, folder: RunFolder) -> int:
        prepared, total = self.prepared, len(predicted_blocks_of(len(self.prepared.dataset)))
        numbers = self.shard.blocks(total)
        cut = predicted_blocks_of(len(prepared.dataset))
        with self.progress.stage("predict", len(cut.rows_of(numbers))) as advance:
            predict_blocks(
                self.opened.model,
                prepared.dataset,
                prepared.codes,
                folder.predicted,
                numbers,
                advance,
            )
        return total

    def _explain(self, folder: RunFolder) -> int:
        run = self.unfinished
        self._require_same(run)
        unpredicted_images(complete_blocks(run.predicted, len(self.prepared.dataset)))
        chosen = select_from(run.path / PREDICTIONS, self.prepared, self.opened.model)
        cut = explained_blocks_of(len(chosen.selection.jobs))
        numbers = self.shard.blocks(len(cut))
        with self.progress.stage("explain", len(cut.rows_of(numbers))) as advance:
            explain_blocks(
                chosen.samples,
                chosen.selection,
                self.prepared.config.explain,
                folder.explanations,
                numbers,
                advance,
            )
        return len(cut)


def run_shard(
    config: AuditConfig,
    out: Path,
    shard: Shard,
    *,
    overwrite: bool,
    resume: bool,
    progress: Progress,
) -> RunFolder:
    """Computes one shard of an audit, in a folder beside that of the run.

    It holds predictions; with ``resume`` and once the shards of predictions are merged, explanations.

    Args:
        config: all settings.
        out: the folder of the finished run.
        shard: which of how many shards.
        overwrite: whether to replace a finished shard.
        resume: whether to continue a shard that was interrupted.
        progress: display of the progress.

    Returns:
        The folder of the shard, or the finished run.

    Raises:
        UsageError: configuration, data or model can't be used, or a place is taken.
        AuditAbortedError: the audit was aborted; the unfinished folder of the shard holds what was done.
    """
    out = real_path(out)
    if resume and not overwrite and RunFolder.is_finished(out):
        progress.message(f"{out}: the audit is finished; there is nothing to compute")
        return RunFolder.open(out)
    if not resume:
        RunFolder.require_place(out, overwrite=overwrite)
        require_free(out, shard, overwrite=overwrite)
    task = Task.open(config, out, shard, progress)
    phase: Phase = "explain" if resume and task.all_predicted else "predict"
    return task.compute(phase, resume=resume)


def require_free(out: Path, shard: Shard, *, overwrite: bool) -> None:
    """Makes sure that nothing is in the way of a new shard."""
    unfinished = run_places.unfinished_place(out)
    if unfinished.exists():
        raise OutputExistsError(
            f"{unfinished}: expected no unfinished audit; there is one: add --resume to continue with the "
            "shards of its explanations, or choose another folder with --out"
        )
    for phase in ("predict", "explain"):
        final = shard.place(out, phase)
        if not (final / SHARD).is_file():
            continue
        if not (overwrite and remove_own(final)):
            raise OutputExistsError(
                f"{final}: contains a finished shard: merge it with `auditor merge`, or replace it with "
                "--overwrite"
            )
