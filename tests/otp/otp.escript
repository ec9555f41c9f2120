#!/usr/bin/env escript
%%! -noinput +S 2:2
%% The real supervisor of Erlang/OTP, played by scenarios: otp.escript SCENARIOS ANSWERS
%%
%% SCENARIOS holds one term a scenario, {Number, Top, Starts, Steps} (tests/otp/terms.py writes and describes them).
%% ANSWERS gets one line of JSON a scenario: {"scenario": Number, "steps": [STEP]}, the first step being the start.
%%   STEP   {"at": ns, "result": text, "trace": [[KIND, name, how, ns]], "alive": [name], "listed": [name], "dead": bool}
%%   KIND   "start" (how: ok | error | ignore | dies | halted) or "gone" (how: the exit's reason); supervisors too
%% "alive" are the processes that a walk over all supervisors finds; "listed" are those with a child specification.
%%
%% Order: every entry carries erlang:unique_integer([monotonic]), drawn by the start function in its supervisor's own
%% process, or by the emulator at the moment a process exits (trace flag `procs`, strict_monotonic_timestamp draws
%% from the same row). Nobody sleeps to see what happens: a step is over when two walks agree (see quiet/3).
-mode(compile).
-behaviour(supervisor).
-export([main/1, init/1, start_sup/3, start_worker/3, worker/3]).

-define(AT_ONCE, 64).

main([Scenarios, Answers]) ->
    logger:set_primary_config(level, none),
    {ok, All} = file:consult(Scenarios),
    {ok, File} = file:open(Answers, [write, raw, binary, {delayed_write, 1 bsl 20, 1000}]),
    play_all(All, 0, File),
    ok = file:close(File).

play_all([], 0, _File) -> ok;
play_all([Scenario | Rest], Busy, File) when Busy < ?AT_ONCE ->
    Main = self(),
    spawn_link(fun() -> Main ! {answer, play(Scenario)} end),
    play_all(Rest, Busy + 1, File);
play_all(Rest, Busy, File) ->
    receive {answer, Line} -> ok = file:write(File, Line) end,
    play_all(Rest, Busy - 1, File).

%% --- one scenario ------------------------------------------------------------------------------------------------

play({Number, Top, Starts, Steps}) ->
    process_flag(trap_exit, true),
    Stage = ets:new(stage, [public, set]),
    [ets:insert(Stage, {{outcomes, Id}, Outcomes}) || {Id, Outcomes} <- Starts],
    ets:insert(Stage, {collector, spawn_link(fun() -> collect([]) end)}),
    [{_, Collector}] = ets:lookup(Stage, collector),
    1 = erlang:trace(self(), true, [procs, set_on_spawn, strict_monotonic_timestamp, {tracer, Collector}]),
    Told = [tell(Stage, Step) || Step <- [{boot, Top} | Steps]],
    finish(Stage),
    1 = erlang:trace(self(), false, [all]),
    unlink(Collector),
    exit(Collector, kill),
    ets:delete(Stage),
    ["{\"scenario\":", integer_to_list(Number), ",\"steps\":[", lists:join(",", Told), "]}\n"].

finish(Stage) ->
    case pid(Stage, root) of
        none -> ok;
        Pid -> leave(Pid)
    end.

tell(Stage, Step) ->
    At = erlang:monotonic_time(nanosecond),
    Result = act(Step, Stage),
    {Alive, Listed} = quiet(Stage, none, 0),
    Dead = pid(Stage, root) =:= none,
    ["{\"at\":", integer_to_list(At), ",\"result\":", text(Result), ",\"trace\":", told(taken(Stage), Stage),
     ",\"alive\":", names(Alive), ",\"listed\":", names(Listed), ",\"dead\":", atom_to_list(Dead), "}"].

%% --- the steps ---------------------------------------------------------------------------------------------------

act({boot, {sup, Id, _, _, _, _} = Top}, Stage) ->
    result(start_sup(Stage, Id, Top));
act({crash, Sup, Ids, Reason}, Stage) ->
    case [Pid || Id <- Ids, Pid <- [pid(Stage, Id)], Pid =/= none] of
        [] -> absent;
        [Pid] -> crash(Pid, Reason), ok;
        Pids -> crash_together(pid(Stage, Sup), Pids, Reason), ok
    end;
act({terminate, Sup, Id}, Stage) -> asked(Stage, Sup, fun(Pid) -> supervisor:terminate_child(Pid, Id) end);
act({restart, Sup, Id}, Stage) -> asked(Stage, Sup, fun(Pid) -> supervisor:restart_child(Pid, Id) end);
act({delete, Sup, Id}, Stage) -> asked(Stage, Sup, fun(Pid) -> supervisor:delete_child(Pid, Id) end);
act({start, Sup, Child}, Stage) -> asked(Stage, Sup, fun(Pid) -> supervisor:start_child(Pid, spec(Stage, Child)) end);
act({wait, Milliseconds}, _Stage) -> timer:sleep(Milliseconds);
act({align, After}, _Stage) -> % until this many milliseconds after the beginning of a whole second
    Now = erlang:monotonic_time(millisecond),
    timer:sleep(1000 - ((Now rem 1000 + 1000) rem 1000) + After);
act(shutdown, Stage) ->
    case pid(Stage, root) of
        none -> absent;
        Pid -> leave(Pid), ok
    end.

%% The scenario's process is the top supervisor's parent: this is what a parent's shutdown is.
leave(Pid) ->
    Monitor = monitor(process, Pid),
    exit(Pid, shutdown),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

asked(Stage, Sup, Call) ->
    case pid(Stage, Sup) of
        none -> absent;
        Pid -> try result(Call(Pid)) catch exit:_ -> gave_up end
    end.

result(ok) -> ok;
result({ok, undefined}) -> ignored;
result({ok, _}) -> ok;
result(ignore) -> ignored;
result({error, {already_started, _}}) -> already_started;
result({error, Why}) when is_atom(Why) -> Why;
result({error, _}) -> error.

crash(Pid, Reason) ->
    Monitor = monitor(process, Pid),
    Pid ! {crash, Reason},
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

%% Their supervisor learns of the deaths in this very order, and only when all are dead.
crash_together(Sup, Pids, Reason) ->
    true = erlang:suspend_process(Sup),
    lists:foreach(fun(Pid) -> Before = queued(Sup), crash(Pid, Reason), until_queued(Sup, Before) end, Pids),
    true = erlang:resume_process(Sup).

queued(Pid) ->
    {message_queue_len, Length} = process_info(Pid, message_queue_len),
    Length.

until_queued(Pid, Before) ->
    case queued(Pid) > Before of
        true -> ok;
        false -> erlang:yield(), until_queued(Pid, Before)
    end.

%% --- when a step is over -----------------------------------------------------------------------------------------

%% A supervisor that has not yet dealt with an exit lists a dead process; one that tries again lists `restarting`;
%% one that is gone does not answer. So two walks that find every listed process alive, the same ones, and no entry
%% more than before mean that nobody has anything left to do.
quiet(Stage, Before, Entries) ->
    Now = walk(Stage),
    Count = counted(Stage),
    case Now =/= busy andalso Now =:= Before andalso Count =:= Entries of
        true ->
            {found, Alive, Listed} = Now,
            {[Id || {Id, _} <- Alive], Listed};
        false ->
            erlang:yield(),
            quiet(Stage, Now, Count)
    end.

walk(Stage) ->
    case ets:lookup(Stage, {pid, root}) of
        [] -> {found, [], []};
        [{_, Pid}] ->
            case is_process_alive(Pid) of
                false -> {found, [], []};
                true -> try walk(Stage, Pid, {found, [{root, Pid}], []}) catch exit:_ -> busy end
            end
    end.

walk(Stage, Sup, Found) ->
    lists:foldl(fun(_, busy) -> busy;
                   ({_, restarting, _, _}, _) -> busy;
                   ({Id, undefined, _, _}, {found, Alive, Listed}) -> {found, Alive, [Id | Listed]};
                   ({Id, Pid, Type, _}, {found, Alive, Listed}) ->
                        More = {found, [{Id, Pid} | Alive], [Id | Listed]},
                        case {is_process_alive(Pid), Type} of
                            {false, _} -> busy;
                            {true, worker} -> More;
                            {true, supervisor} -> walk(Stage, Pid, More)
                        end
                end, Found, gen_server:call(Sup, which_children, infinity)).

%% --- what is supervised --------------------------------------------------------------------------------------------

start_sup(Stage, Id, {sup, Id, _, _, Flags, Children}) ->
    case supervisor:start_link(?MODULE, {Stage, Id, Flags, Children}) of
        {ok, Pid} -> note(Stage, start, Id, ok), {ok, Pid};
        Other -> note(Stage, start, Id, error), Other
    end.

init({Stage, Id, {Strategy, Intensity, Period, Auto}, Children}) ->
    known(Stage, Id, self()),
    Flags = #{strategy => Strategy, intensity => Intensity, period => Period, auto_shutdown => Auto},
    {ok, {Flags, [spec(Stage, Child) || Child <- Children]}}.

spec(Stage, {sup, Id, Restart, Significant, _, _} = Sup) ->
    #{id => Id, start => {?MODULE, start_sup, [Stage, Id, Sup]}, restart => Restart, significant => Significant,
      type => supervisor, shutdown => infinity};
spec(Stage, {worker, Id, Restart, Significant, Shutdown, Manner}) ->
    #{id => Id, start => {?MODULE, start_worker, [Stage, Id, Manner]}, restart => Restart, significant => Significant,
      type => worker, shutdown => Shutdown}.

%% Runs in the supervisor's process.
start_worker(Stage, Id, Manner) ->
    case outcome(Stage, Id) of
        ok ->
            {ok, Pid} = begin_worker(Stage, Id, Manner),
            note(Stage, start, Id, ok),
            {ok, Pid};
        dies -> % it comes up, and is dead before its supervisor does anything else
            {ok, Pid} = begin_worker(Stage, Id, Manner),
            note(Stage, start, Id, dies),
            Pid ! {crash, crashed},
            receive {'EXIT', Pid, Reason} -> self() ! {'EXIT', Pid, Reason} end,
            {ok, Pid};
        halted -> % it fails, and an operator's stop of it is in the mailbox before the supervisor's next attempt
            note(Stage, start, Id, halted),
            Sup = self(),
            Before = queued(Sup),
            spawn(fun() -> catch supervisor:terminate_child(Sup, Id) end),
            until_queued(Sup, Before),
            {error, failed};
        ignore ->
            note(Stage, start, Id, ignore),
            ignore;
        error ->
            note(Stage, start, Id, error),
            {error, failed}
    end.

begin_worker(Stage, Id, Manner) -> proc_lib:start_link(?MODULE, worker, [Stage, Id, Manner]).

worker(Stage, Id, Manner) ->
    process_flag(trap_exit, true),
    known(Stage, Id, self()),
    proc_lib:init_ack({ok, self()}),
    serve(Manner).

serve(Manner) ->
    receive
        {crash, Reason} -> exit(Reason);
        {'EXIT', _, _} when Manner =:= obedient -> exit(shutdown);
        {'EXIT', _, _} when Manner =:= untidy -> exit(crashed);
        {'EXIT', _, _} -> serve(Manner)
    end.

%% The next of the child's scripted outcomes; `ok` when the script is at its end.
outcome(Stage, Id) ->
    case ets:lookup(Stage, {outcomes, Id}) of
        [{Key, [Outcome | Rest]}] -> ets:insert(Stage, {Key, Rest}), Outcome;
        _ -> ok
    end.

known(Stage, Id, Pid) -> ets:insert(Stage, [{{pid, Id}, Pid}, {{id, Pid}, Id}]).

pid(Stage, Id) ->
    case ets:lookup(Stage, {pid, Id}) of
        [{_, Pid}] -> case is_process_alive(Pid) of true -> Pid; false -> none end;
        [] -> none
    end.

%% --- the trace -----------------------------------------------------------------------------------------------------

note(Stage, Kind, Id, How) ->
    [{_, Collector}] = ets:lookup(Stage, collector),
    Order = erlang:unique_integer([monotonic]),
    Collector ! {entry, Order, erlang:monotonic_time(nanosecond), Kind, {id, Id}, How},
    ok.

collect(Entries) ->
    receive
        {entry, Order, At, Kind, Who, How} -> collect([{Order, At, Kind, Who, How} | Entries]);
        {trace_ts, Pid, exit, Reason, {At, Order}} ->
            Nanoseconds = erlang:convert_time_unit(At, native, nanosecond),
            collect([{Order, Nanoseconds, gone, {pid, Pid}, Reason} | Entries]);
        {count, From} -> From ! {count, length(Entries)}, collect(Entries);
        {take, From} -> From ! {taken, lists:sort(Entries)}, collect([]);
        _ -> collect(Entries)
    end.

counted(Stage) ->
    delivered(),
    [{_, Collector}] = ets:lookup(Stage, collector),
    Collector ! {count, self()},
    receive {count, Count} -> Count end.

taken(Stage) ->
    [{_, Collector}] = ets:lookup(Stage, collector),
    Collector ! {take, self()},
    receive {taken, Entries} -> Entries end.

delivered() ->
    Reference = erlang:trace_delivered(all),
    receive {trace_delivered, all, Reference} -> ok end.

told(Entries, Stage) ->
    ["[", lists:join(",", [entry(Kind, Id, How, At) || {_, At, Kind, Who, How} <- Entries, Id <- who(Who, Stage)]), "]"].

who({id, Id}, _Stage) -> [Id];
who({pid, Pid}, Stage) -> [Id || {_, Id} <- ets:lookup(Stage, {id, Pid})]. % others are helpers of the stage

entry(Kind, Id, How, At) -> ["[", text(Kind), ",", text(Id), ",", text(how(How)), ",", integer_to_list(At), "]"].

how({shutdown, _}) -> shutdown;
how(How) when is_atom(How) -> How;
how(_) -> crashed.

names(Ids) -> ["[", lists:join(",", [text(Id) || Id <- lists:sort(Ids)]), "]"].

text(Atom) -> ["\"", atom_to_list(Atom), "\""].
