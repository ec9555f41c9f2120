#!/usr/bin/env escript
%%! -noinput
%% OTP's supervisor over processes of the system: restart.escript COUNT COMMAND [ARGUMENT ...]
%%
%% COUNT workers under one_for_one; each has the command as a port, and has started when that prints a line. Prints
%% "ready NAME PID" for each start; a worker whose process ends crashes, and OTP restarts it.
-mode(compile).
-behaviour(supervisor).
-export([main/1, init/1, start/3, worker/4]).

main([Count, Command | Arguments]) ->
    logger:set_primary_config(level, none),
    {ok, _} = supervisor:start_link(?MODULE, {list_to_integer(Count), Command, Arguments}),
    receive stop -> ok end.

init({Count, Command, Arguments}) ->
    Children = [#{id => N, start => {?MODULE, start, [N, Command, Arguments]}} || N <- lists:seq(0, Count - 1)],
    {ok, {#{strategy => one_for_one, intensity => 100000, period => 1}, Children}}.

start(N, Command, Arguments) ->
    proc_lib:start_link(?MODULE, worker, [self(), N, Command, Arguments]).

worker(Parent, N, Command, Arguments) ->
    Port = open_port({spawn_executable, Command}, [{args, Arguments}, {line, 100}, exit_status, use_stdio]),
    {os_pid, Pid} = erlang:port_info(Port, os_pid),
    receive {Port, {data, _}} -> ok end,
    io:format("ready ~b ~b~n", [N, Pid]),
    proc_lib:init_ack(Parent, {ok, self()}),
    receive {Port, {exit_status, Status}} -> exit({exit_status, Status}) end.
