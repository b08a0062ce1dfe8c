"""Population: accounts over simulated weeks, before the real lines and the real rules; people and model are assumed."""

from outworks.trials.population.assumptions import Assumptions, default_assumptions
from outworks.trials.population.figures import Figures, figures
from outworks.trials.population.simulation import Simulation
from outworks.trials.population.study import Study, study

__all__ = ["Assumptions", "Figures", "Simulation", "Study", "default_assumptions", "figures", "study"]
