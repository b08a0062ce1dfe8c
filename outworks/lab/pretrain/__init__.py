"""pretrain: does leaving the toxic part out of pre-training make a model harder to break, and what does that cost?"""

from outworks.lab.pretrain.config import Config
from outworks.lab.pretrain.experiment import run
from outworks.lab.pretrain.result import Pretrained

__all__ = ["Config", "Pretrained", "run"]
