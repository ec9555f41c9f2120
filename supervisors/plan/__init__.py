"""The supervisors' decisions: (tree, what happened) -> (tree, orders). Pure: no I/O, no clock, no dice.

    PENDING ──> STARTING ──ready──> RUNNING ──asked──> STOPPING ──gone──> HELD | PENDING (restart) | ENDED
                   │ late              │ hung, over a limit │ grace is over
                   └──────> DYING <────┴────────────────────┘
                              │ gone
    any ──gone by itself──> WAITING ──due──> STARTING        the first restart at once, then with back-off
                        └─> QUARANTINED ──due──> STARTING    the budget is spent: siblings live, probes never end
    BROKEN                                                   cannot be built; shown with its reason

A supervisor is a child as well, without a process: it is STARTING until nobody of its own is waited for, STOPPING or
DYING until the last of them is gone. So a tree of any depth is one value, and an order is always for a process.

    tree       what is known, and the orders               turns      start in order, stop in reverse, in groups
    ends       what follows an end: the restart rules      settling   what follows by itself, until nothing does
    happened   events of the machine                       asked      wishes of people, changes of the configuration

Where Erlang/OTP (supervisor) defines the behaviour, it is the same, and tests/otp holds it against the real one.
Different on purpose, each met and named by that test:

    held                     a child that an operator stopped is started by nothing but `start`
    quarantine               a spent budget puts the one child aside and probes it for ever; it counts that child alone
    back-off                 restarts after the first wait, longer each time
    float clock              the period is measured in fractions of a second, not in whole ones
    broken at boot           a child that cannot be built is shown with its reason; the others start
    giving up is abnormal    a supervisor that gives up has not ended in order: it comes back, or is shown
    kept                     an ended temporary child stays listed, and can be started
    tried again              a child that fails to start when it is asked to is started again, as after a crash
    dynamic children stay    children added later survive a restart of their supervisor; removed ones stay away

`luck` is a number in [0, 1) for the jitter. Times are monotonic seconds. A `token` numbers the incarnations of all
children: news of an older incarnation is no news.
"""

from supervisors.plan.asked import asked_add as asked_add
from supervisors.plan.asked import asked_remove as asked_remove
from supervisors.plan.asked import asked_replace as asked_replace
from supervisors.plan.asked import asked_restart as asked_restart
from supervisors.plan.asked import asked_shutdown as asked_shutdown
from supervisors.plan.asked import asked_start as asked_start
from supervisors.plan.asked import asked_stop as asked_stop
from supervisors.plan.happened import became_ready as became_ready
from supervisors.plan.happened import died as died
from supervisors.plan.happened import hung as hung
from supervisors.plan.happened import next_due as next_due
from supervisors.plan.happened import overran as overran
from supervisors.plan.happened import passed as passed
from supervisors.plan.settling import STACKS_WITHIN_S as STACKS_WITHIN_S
from supervisors.plan.tree import LIVE as LIVE
from supervisors.plan.tree import UNSETTLED as UNSETTLED
from supervisors.plan.tree import UP as UP
from supervisors.plan.tree import Child as Child
from supervisors.plan.tree import End as End
from supervisors.plan.tree import GiveUp as GiveUp
from supervisors.plan.tree import Kill as Kill
from supervisors.plan.tree import Order as Order
from supervisors.plan.tree import Phase as Phase
from supervisors.plan.tree import Report as Report
from supervisors.plan.tree import Start as Start
from supervisors.plan.tree import Step as Step
from supervisors.plan.tree import Stop as Stop
from supervisors.plan.tree import Then as Then
from supervisors.plan.tree import Tree as Tree
from supervisors.plan.tree import planted as planted
from supervisors.plan.turns import UNKILLABLE_S as UNKILLABLE_S
