"""hijack: AgentDojo with an agent that does whatever the attacker wants: a line of defense must hold all the same."""

from outworks.trials.hijack.agent import Agent, Threat
from outworks.trials.hijack.dojo import SUITES, Call, Suite, Task
from outworks.trials.hijack.episode import Outcome, run
from outworks.trials.hijack.figures import Attacks, Figures, Pair, SuiteFigures, Users, as_json
from outworks.trials.hijack.remote import gateway
from outworks.trials.hijack.target import Answer, Conversation, Stand, Step, Target, defended
from outworks.trials.hijack.trial import Planner, try_suite

__all__ = [
    "SUITES",
    "Agent",
    "Answer",
    "Attacks",
    "Call",
    "Conversation",
    "Figures",
    "Outcome",
    "Pair",
    "Planner",
    "Stand",
    "Step",
    "Suite",
    "SuiteFigures",
    "Target",
    "Task",
    "Threat",
    "Users",
    "as_json",
    "defended",
    "gateway",
    "run",
    "try_suite",
]
