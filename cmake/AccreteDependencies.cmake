# What accrete's three targets stand on. Used when accrete is built and again when an installed accrete is found:
# the library is headers only, so its dependencies are those of the machine it is compiled on.
#
#   ACCRETE_ONEDNN         AUTO (when found), ON (must be found), OFF
#   ACCRETE_DEVICE_SYSTEM  CPP, OMP or CUDA: where Thrust's kernels run
#
# accrete_attach_dependencies(<host target> <image target> <device target>)
#   links each target that exists with what it needs. Sets in the caller ACCRETE_IMAGE_FOUND and ACCRETE_DEVICE_FOUND.

set(ACCRETE_ONEDNN AUTO CACHE STRING "Products on oneDNN: AUTO, ON or OFF")
set_property(CACHE ACCRETE_ONEDNN PROPERTY STRINGS AUTO ON OFF)
set(ACCRETE_DEVICE_SYSTEM CPP CACHE STRING "Where Thrust's kernels run: CPP, OMP or CUDA")
set_property(CACHE ACCRETE_DEVICE_SYSTEM PROPERTY STRINGS CPP OMP CUDA)
if(NOT ACCRETE_DEVICE_SYSTEM MATCHES "^(CPP|OMP|CUDA)$")
  message(FATAL_ERROR "ACCRETE_DEVICE_SYSTEM must be CPP, OMP or CUDA (came: ${ACCRETE_DEVICE_SYSTEM})")
endif()

# A macro: find_package sets variables that later calls in the same scope rely on.
macro(accrete_find_dependencies)
  # A project that adds accrete as a subdirectory links our targets outside of this folder.
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)

  find_package(Threads REQUIRED)
  find_package(Eigen3 3.4 CONFIG REQUIRED)
  find_package(nlohmann_json CONFIG REQUIRED)
  find_package(xtensor CONFIG REQUIRED)
  find_package(OpenMP COMPONENTS CXX)
  if(ACCRETE_ONEDNN STREQUAL "AUTO")
    find_package(OneDNN 2.6 MODULE)
  elseif(ACCRETE_ONEDNN)
    find_package(OneDNN 2.6 MODULE REQUIRED)
  endif()

  find_package(ZLIB)
  find_package(JPEG)
  find_package(PNG)
  set(ACCRETE_IMAGE_FOUND FALSE)
  if(TARGET ZLIB::ZLIB AND TARGET JPEG::JPEG AND TARGET PNG::PNG)
    set(ACCRETE_IMAGE_FOUND TRUE)
  endif()

  # CCCL with a CUDA toolkit, Debian's libthrust-dev without: either brings this config file.
  find_package(Thrust CONFIG)
  set(ACCRETE_DEVICE_FOUND FALSE)
  if(Thrust_FOUND)
    set(ACCRETE_DEVICE_FOUND TRUE)
    if(ACCRETE_DEVICE_SYSTEM STREQUAL "CUDA")
      enable_language(CUDA)
      find_package(CUDAToolkit REQUIRED)
    endif()
    if(NOT TARGET accrete_thrust)
      thrust_create_target(accrete_thrust HOST CPP DEVICE ${ACCRETE_DEVICE_SYSTEM})
    endif()
  elseif(NOT ACCRETE_DEVICE_SYSTEM STREQUAL "CPP")
    message(FATAL_ERROR "ACCRETE_DEVICE_SYSTEM=${ACCRETE_DEVICE_SYSTEM} needs Thrust (CCCL of a CUDA toolkit, or libthrust-dev)")
  endif()
  unset(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL)
endmacro()

# BUILD_ONLY keeps all this out of the exported targets: an installed package calls this module again, where it is found.
function(accrete_link target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "BUILD_ONLY" "" "LIBRARIES;DEFINITIONS;OPTIONS")
  if(arg_BUILD_ONLY)
    foreach(items IN ITEMS LIBRARIES DEFINITIONS OPTIONS)
      list(TRANSFORM arg_${items} REPLACE "(.+)" "$<BUILD_INTERFACE:\\1>")
    endforeach()
  endif()
  target_link_libraries(${target} INTERFACE ${arg_LIBRARIES})
  target_compile_definitions(${target} INTERFACE ${arg_DEFINITIONS})
  target_compile_options(${target} INTERFACE ${arg_OPTIONS})
endfunction()

function(accrete_attach_dependencies host image device)
  set(host_libraries Threads::Threads Eigen3::Eigen nlohmann_json::nlohmann_json xtensor)
  set(host_definitions)
  if(TARGET OpenMP::OpenMP_CXX)
    list(APPEND host_libraries OpenMP::OpenMP_CXX)
  endif()
  if(ACCRETE_ONEDNN AND TARGET OneDNN::OneDNN)
    list(APPEND host_libraries OneDNN::OneDNN)
    list(APPEND host_definitions ACCRETE_WITH_ONEDNN=1)
  endif()
  accrete_link(${host} ${ARGN} LIBRARIES ${host_libraries} DEFINITIONS ${host_definitions})
  if(TARGET ${image})
    accrete_link(${image} ${ARGN} LIBRARIES JPEG::JPEG PNG::PNG ZLIB::ZLIB)
  endif()
  if(TARGET ${device})
    set(device_libraries accrete_thrust)
    set(device_options)
    set(device_definitions ACCRETE_DEVICE_SYSTEM_${ACCRETE_DEVICE_SYSTEM}=1)
    if(ACCRETE_DEVICE_SYSTEM STREQUAL "CUDA")
      list(APPEND device_libraries CUDA::cudart CUDA::cublas CUDA::cublasLt)
      # No Eigen type crosses into a kernel; without this Eigen's host code in a .cu loses its vector instructions.
      list(APPEND device_definitions $<$<COMPILE_LANGUAGE:CUDA>:EIGEN_NO_CUDA>)
      # CMake before 3.26 does not know that nvcc speaks C++20, so cuda_std_20 would be refused there.
      list(APPEND device_options $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
    endif()
    accrete_link(${device} ${ARGN} LIBRARIES ${device_libraries} DEFINITIONS ${device_definitions} OPTIONS ${device_options})
  endif()
endfunction()
