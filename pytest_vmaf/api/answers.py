"""What the methods of `Vmaf` return, for its annotations."""

from pytest_vmaf.bitstream.stream import Stream as Stream
from pytest_vmaf.encoding.encode import Encode as Encode
from pytest_vmaf.roi.masked_score import RoiResult as RoiResult
from pytest_vmaf.roi.quality_map import QualityMap as QualityMap
from pytest_vmaf.scoring.result import Result as Result
from pytest_vmaf.search.bisection import Bisection as Bisection
from pytest_vmaf.search.comparison import Comparison as Comparison
from pytest_vmaf.search.determinism import Determinism as Determinism
from pytest_vmaf.search.ladder import Ladder as Ladder
from pytest_vmaf.search.per_shot import PerShot as PerShot
from pytest_vmaf.search.rows import Row as Row
from pytest_vmaf.search.speed import Speed as Speed
