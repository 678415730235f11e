"""The saved view for a study on MLflow's run page: its cells, and useful columns and charts.

MLflow stores a view in a tag of the experiment, as JSON with a deflated state. A link names the
view by its key.
"""

import base64
import json
import urllib.parse
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.runs import StudyRuns
from orchestrator import vocabulary

TAG_PREFIX = "mlflow.sharedViewState."
LONGEST = 20_000
"""Most characters of a tag of an experiment; MLflow refuses a longer one."""
MOST_RUNS = 50
"""Most runs in one chart; with more, the lines cannot be told apart."""


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """What a view shows.

    Args:
        study: The study's name.
        variant: The variant's id.
        metric: The metric its matrix shows.
        better: Which direction is better.
        axes: The study's axes; their labels are the first columns.
        rows: The axis of the matrix's rows.
        layers: The network's layers, for charts of their latent weights.
        percent: Metrics that every cell has in percent too; charts and columns show those.
        grouped: Draw one line for each row, the mean over its cells, instead of one for each cell.
    """

    study: str
    variant: str
    metric: str
    better: str
    axes: Sequence[str]
    rows: str
    layers: Sequence[str]
    grouped: bool
    percent: Sequence[str] = ()

    @property
    def key(self) -> str:
        """The view's name in links; it depends on the variant only."""
        return f"bnn{self.variant}"

    @property
    def tag(self) -> str:
        """The experiment's tag that holds the view."""
        return TAG_PREFIX + self.key

    def link(self, base: str, experiment_id: str) -> str:
        """The address of the view.

        Args:
            base: Address of MLflow's web pages.
            experiment_id: The study's experiment.
        """
        query = {
            "viewStateShareKey": self.key,
            "compareRunsMode": "CHART",
            # Selects the pages for training runs; MLflow's default is those for language models.
            "workflowType": "machine_learning",
        }
        return f"{base}/#/experiments/{experiment_id}/runs?{urllib.parse.urlencode(query)}"

    def content(self, *, time_ms: int) -> str:
        """The tag's value; without charts of layers where hundreds would not fit the tag.

        Args:
            time_ms: Creation time, Unix time in milliseconds.
        """
        whole = self._content(self.layers, time_ms=time_ms)
        # Nobody looks at hundreds of charts; MLflow adds one for each metric anyway.
        return whole if len(whole) <= LONGEST else self._content((), time_ms=time_ms)

    def _content(self, layers: Sequence[str], *, time_ms: int) -> str:
        state = json.dumps(self._state(layers), separators=(",", ":"))
        packed = zlib.compress(state.encode())
        return json.dumps(
            {
                "name": f"{self.study}: compare",
                "createdAt": time_ms,
                "updatedAt": time_ms,
                "state": f"deflate;{base64.b64encode(packed).decode()}",
            }
        )

    def _state(self, layers: Sequence[str]) -> dict[str, object]:
        sections = {
            "Result": [_bar(self._shown(self.metric)), *(_line(name) for name in _CURVES)],
            "Latent weights": [
                _line(vocabulary.LAYER_CURVES[name].format(layer=layer))
                for name in ("signs_flipped", "near_zero")
                for layer in layers
            ],
        }
        charts = [
            {**chart, "uuid": f"{section}-{number}", "metricSectionId": section}
            for section, content in sections.items()
            for number, chart in enumerate(content)
        ]
        finds = {vocabulary.KIND: vocabulary.CELL, vocabulary.VARIANT: self.variant}
        group = {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "param", "groupByData": self._param(self.rows)}],
        }
        return {
            "searchFilter": " and ".join(f"tags.`{key}` = '{finds[key]}'" for key in finds),
            "orderByKey": f"metrics.`{self.metric}`",
            "orderByAsc": self.better == "lower",
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": self._columns(),
            "columnOrder": [],
            "columnWidths": {},
            "runsHiddenMode": "SHOWALL",
            "compareRunCharts": charts,
            # MLflow adds a section for each group of metrics; keep those closed, below ours.
            "compareRunSections": [
                *(_section(name) for name in sections),
                *(_section(name, is_open=False) for name in _GROUPS),
            ],
            "viewMaximized": False,
            "runListHidden": False,
            "isAccordionReordered": True,
            "useGroupedValuesInCharts": True,
            "hideEmptyCharts": True,
            "groupBy": group if self.grouped else None,
            "groupsExpanded": {},
            "globalLineChartConfig": {
                "xAxisKey": "step",
                "lineSmoothness": 0,
                "selectedXAxisMetricKey": "",
            },
        }

    def _columns(self) -> list[str]:
        metrics = dict.fromkeys(
            [
                self.metric,
                f"{vocabulary.SELECTED}/validation_error",
                f"{vocabulary.SELECTED}/test_error",
                f"{vocabulary.SELECTED}/epoch",
                f"{vocabulary.LAST}/test_error",
            ]
        )
        params = [self._param(axis) for axis in self.axes]
        return [
            *(f"params.`{name}`" for name in [*params, "optimizer.lr", "epochs"]),
            *(f"metrics.`{self._shown(name)}`" for name in metrics),
        ]

    def _shown(self, metric: str) -> str:
        """The metric in percent, if there is one: MLflow's bars show two decimals."""
        return vocabulary.PERCENT.format(metric=metric) if metric in self.percent else metric

    def _param(self, axis: str) -> str:
        return vocabulary.AXIS_PARAM.format(axis=axis)


def view_of(runs: StudyRuns) -> View:
    """Makes the view of a study's variant from its finished cells."""
    over = runs.tags.get(vocabulary.OVER_AXIS, "")
    curve = vocabulary.LAYER_CURVES["near_zero"].format(layer="")
    metrics = {name: None for cell in runs.cells for name in cell.metrics}
    labels = {cell.labels.get(over) for cell in runs.cells}
    rows = runs.tags[vocabulary.ROWS_AXIS]
    axes = {axis for cell in runs.cells for axis in cell.labels}
    return View(
        study=runs.study,
        variant=runs.tags[vocabulary.VARIANT],
        metric=runs.tags[vocabulary.METRIC_NAME],
        better=runs.tags[vocabulary.METRIC_BETTER],
        axes=sorted(axes),
        rows=rows,
        layers=[name.removeprefix(curve) for name in metrics if name.startswith(curve)],
        # A mean is meaningful only over repetitions, so not if there are other axes.
        grouped=len(labels) > 1 and axes <= {rows, over},
        percent=[name for name in vocabulary.IN_PERCENT if _all_have(runs, name)],
    )


def _all_have(runs: StudyRuns, metric: str) -> bool:
    """Whether every cell has a metric in percent; those of earlier versions had none."""
    name = vocabulary.PERCENT.format(metric=metric)
    return all(name in cell.metrics for cell in runs.cells)


_GROUPS = (
    *vocabulary.SUMMARY_EPOCHS,
    *vocabulary.SPLITS,
    *(name.partition("/")[0] for name in vocabulary.LAYER_CURVES.values()),
    "Model metrics",
    "System metrics",
)
_CURVES = ("validation/error", "test/error", "train/loss", "binary/layers", "lr")


def _section(name: str, *, is_open: bool = True) -> dict[str, object]:
    return {
        "uuid": name,
        "name": name,
        "display": is_open,
        "isReordered": False,
        "deleted": False,
        "isGenerated": not is_open,
        # Three columns, the default, cut every title.
        "columns": 2,
        "cardHeight": 420,
    }


def _bar(metric: str) -> dict[str, object]:
    return {
        "type": "BAR",
        "runsCountToCompare": MOST_RUNS,
        "deleted": False,
        "isGenerated": False,
        "displayName": metric,
        "metricKey": metric,
    }


def _line(metric: str) -> dict[str, object]:
    return {
        **_bar(metric),
        "type": "LINE",
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
